//! Streams of random numbers, each of its own for a seed, a key and a purpose, so that what is drawn does not depend on
//! what else is computed, or when.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};

/// The stream of a seed, any number of key words and a purpose; the ChaCha key is their SHA-256.
pub(crate) fn stream(seed: u64, key: &[u64], purpose: &str) -> ChaCha8Rng {
    let mut hash = Sha256::new();
    for number in [seed].iter().chain(key) {
        hash.update(number.to_le_bytes());
    }
    hash.update(purpose.as_bytes());
    ChaCha8Rng::from_seed(hash.finalize().into())
}

/// The stream of a packet: the ChaCha key is (seed, sample or label, the stream's name, scale) itself.
pub(crate) fn packet_stream(seed: u64, place: u64, name: [u8; 8], scale: f64) -> ChaCha8Rng {
    let words = [seed.to_le_bytes(), place.to_le_bytes(), name, scale.to_bits().to_le_bytes()];
    let mut key = [0; 32];
    key.as_chunks_mut::<8>().0.iter_mut().zip(words).for_each(|(bytes, word)| *bytes = word);
    ChaCha8Rng::from_seed(key)
}
