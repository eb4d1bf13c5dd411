//! How peers find us and exchange descriptions. One file per dialect; so far the native one.

pub mod whip;
