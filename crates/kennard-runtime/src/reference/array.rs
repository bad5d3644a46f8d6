/// The elements of a tensor, whatever its type, in row-major order.
#[derive(Clone, Copy)]
pub struct Array<'a> {
    pub shape: &'a [usize],
    pub data: &'a [f64],
}

impl Array<'_> {
    /// The element at an index, which must be inside.
    pub fn at(&self, index: &[usize]) -> f64 {
        let flat = index.iter().zip(self.shape).fold(0, |flat, (i, n)| flat * n + i);
        self.data[flat]
    }

    /// The element that stands at an index of a tensor that this one is broadcast to.
    pub fn broadcast(&self, index: &[usize]) -> f64 {
        let lead = index.len().saturating_sub(self.shape.len());
        let own: Vec<usize> =
            index[lead..].iter().zip(self.shape).map(|(&i, &n)| if n == 1 { 0 } else { i }).collect();
        self.at(&own)
    }

    /// One number for all, or one for each channel.
    pub fn channel(&self, channel: usize) -> f64 {
        self.data[if self.data.len() == 1 { 0 } else { channel }]
    }
}

/// All indices within these extents.
pub fn indices(extents: &[usize]) -> impl Iterator<Item = Vec<usize>> + use<'_> {
    let count: usize = extents.iter().product();
    (0..count).map(move |flat| unravelled(flat, extents))
}

/// The index of an element by its place in row-major order.
pub fn unravelled(mut flat: usize, extents: &[usize]) -> Vec<usize> {
    let mut index = vec![0; extents.len()];
    for (i, &n) in extents.iter().enumerate().rev() {
        index[i] = flat % n.max(1);
        flat /= n.max(1);
    }
    index
}
