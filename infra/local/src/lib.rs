#![doc = include_str!("../README.md")]

pub mod demo;
pub mod gateway;
pub mod host;
pub mod serve;
