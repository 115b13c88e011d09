"""Parts of `bench/peers.py`: what is measured, and the processes that it is measured in."""
