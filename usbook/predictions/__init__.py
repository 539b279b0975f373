"""The tables between a network and the judgement of it: predictions, detections, human readers."""
