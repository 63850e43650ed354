"""Prints the scalars that TensorBoard reads from a run folder as JSON: {tag: [[step, value], ...]}."""

import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0}).Reload()
tags = events.Tags()["scalars"]
print(json.dumps({tag: [[scalar.step, scalar.value] for scalar in events.Scalars(tag)] for tag in tags}))
