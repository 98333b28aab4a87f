//! kiln's own rules: what image makers get wrong and neither docker's checks nor hadolint say. One file each.

mod kl1001;
mod kl1002;
mod kl1003;
mod kl1004;
mod kl1005;
mod kl1006;
mod kl1007;
mod kl1008;
mod kl1009;
mod kl1010;
mod kl1011;
mod kl1012;
mod kl1013;
mod kl1014;
mod kl1015;
mod kl1016;
mod kl1017;
mod kl1018;
mod kl1019;
mod kl1020;
mod kl1021;
mod kl1022;
mod kl1023;
mod kl1024;

use crate::rule::Rule;

/// All of them, by code.
pub(crate) static RULES: &[&Rule] = &[
    &kl1001::RULE,
    &kl1002::RULE,
    &kl1003::RULE,
    &kl1004::RULE,
    &kl1005::RULE,
    &kl1006::RULE,
    &kl1007::RULE,
    &kl1008::RULE,
    &kl1009::RULE,
    &kl1010::RULE,
    &kl1011::RULE,
    &kl1012::RULE,
    &kl1013::RULE,
    &kl1014::RULE,
    &kl1015::RULE,
    &kl1016::RULE,
    &kl1017::RULE,
    &kl1018::RULE,
    &kl1019::RULE,
    &kl1020::RULE,
    &kl1021::RULE,
    &kl1022::RULE,
    &kl1023::RULE,
    &kl1024::RULE,
];
