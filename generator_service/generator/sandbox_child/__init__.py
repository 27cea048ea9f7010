"""The render process: loads the engines, confines itself, then renders what its parent sends. It never calls back."""
