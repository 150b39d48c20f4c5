"""iDML: devices pay each other to train; a smart contract settles by vote."""
