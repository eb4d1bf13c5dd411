//! RTP and RTCP as local programs send and receive them, without encryption: packets, feedback, and the places
//! in a stream where a decoder can start.
//!
//! Everything here is a function of bytes. str0m does the same work for peers, behind SRTP.

pub mod keyframe;
pub mod rtcp;
pub mod rtp;
