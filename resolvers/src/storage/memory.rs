//! The reference store: the executable meaning of [`super::Storage`].
