"""The picture of the walker: `frame.draw` makes Gymnasium's frames from a `scene.Scene`."""
