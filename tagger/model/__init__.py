"""The network: token features, encoder, heads. It sees tensors only."""
