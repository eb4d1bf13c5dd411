//! How peers find us and exchange descriptions. One file per dialect; so far the native one, and
//! what carries those of SkyWay-JS and Extreal.

pub mod socket_io;
pub mod whip;
