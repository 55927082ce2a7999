//! The tasks of this project that are not the product.
