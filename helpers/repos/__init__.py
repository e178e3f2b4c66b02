"""What is done with a super-repo and its submodules as a whole."""
