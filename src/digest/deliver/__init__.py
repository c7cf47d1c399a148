"""Fourth stage: from composed renditions to bytes at the relay, each delivery on record before and after."""
