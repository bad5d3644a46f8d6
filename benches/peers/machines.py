"""Two Ray workers of one core against one: how much faster is an audit?

    python benches/peers/machines.py [MODEL] [--images 256] [--rounds 5]

A cluster of two nodes of one core on this machine. The network of $KENNARD_SHARED/models (default ../shared) is audited on the
first CIFAR-10 images in one shard, and in two; both take turns. Workers have been started and have imported everything
beforehand. Medians of seconds, and their ratio, printed with the load of the machine, which decides what they are worth.
Needs the Python package and Ray.
"""

import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
import ray  # noqa: E402
from ray.cluster_utils import Cluster  # noqa: E402

import kennard.ray  # noqa: E402
from side import SHARED, parser  # noqa: E402


def main() -> None:
    options = parser(__doc__, rounds=5)
    options.add_argument("model", nargs="?", default="sdp_cifar_cnn_a_adv")
    options.add_argument("--images", type=int, default=256)
    arguments = options.parse_args()
    count = arguments.images
    rows = np.fromfile(SHARED / "data/cifar-10-batches-bin/test_batch.bin", np.uint8, count * 3073).reshape(count, 3073)
    x, y = rows[:, 1:].reshape(count, 3, 32, 32), rows[:, 0]
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False)
    cluster.wait_for_nodes()

    def audit(shards: int, images: int) -> float:
        with tempfile.TemporaryDirectory() as place:
            begin = time.perf_counter()
            kennard.ray.audit(
                str(SHARED / f"models/{arguments.model}.onnx"), x[:images], y[:images], eps="2/255", attack="apgd-t",
                num_shards=shards, out=Path(place) / "run", packet_samples=0, progress=False,
            )
            return time.perf_counter() - begin

    audit(2, 8)
    seconds: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(arguments.rounds):
        for shards in seconds:
            seconds[shards].append(audit(shards, count))
    one, two = (statistics.median(seconds[shards]) for shards in seconds)
    print(f"{arguments.model}, {count} images, load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"one worker {one:.1f} s, two {two:.1f} s: {one / two:.2f} times as fast")
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main()
