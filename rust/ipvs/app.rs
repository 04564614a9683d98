// SPDX-License-Identifier: GPL-2.0
//! Applications whose connections come in groups.

pub mod ftp;
