"""What learners share: orders of examples, threads, scaling, learning rates, momentum, averages of weights."""
