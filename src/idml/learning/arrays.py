"""The arrays that pass between the parts of this room, by name."""

import numpy as np
import numpy.typing as npt

FloatVector = npt.NDArray[np.float32]
"""(size,): all parameters of a model, one after another."""
FloatImages = npt.NDArray[np.float32]
"""(N, C, H, W), scaled for training."""
ByteImages = npt.NDArray[np.uint8]
"""(N, C, H, W), as a data set holds them."""
Labels = npt.NDArray[np.int64]
"""(N,): the class of each image."""
Indices = npt.NDArray[np.int64]
"""(N,): positions in a data set."""
