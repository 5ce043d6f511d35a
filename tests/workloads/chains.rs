// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

//! chains.rs - a Rust program whose stacks are known (chains.h): six levels, one of
//! them a trait object, one a closure given to sort_by_key(), and a panic that is caught.
//!
//!     chains TRUTH FILE

use std::fmt::Write;
use std::hint::black_box;

const WORK: u64 = 1500;
const LEAF_WORK: u64 = 15000;

#[inline(always)]
fn spin(mut x: u64, rounds: u64) -> u64 {
    for _ in 0..rounds {
        x = black_box(x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407));
    }
    x
}

trait Worker {
    fn run(&self, x: u64) -> u64;
}

struct First;

impl Worker for First {
    #[inline(never)]
    fn run(&self, x: u64) -> u64 {
        spin(sorts(spin(x, WORK)), WORK)
    }
}

#[inline(never)]
fn f00(x: u64, worker: &dyn Worker) -> u64 {
    spin(worker.run(spin(x, WORK)), WORK)
}

#[inline(never)]
fn key(x: u64) -> u64 {
    spin(leaf(x), WORK) & 0xff
}

#[inline(never)]
fn leaf(x: u64) -> u64 {
    spin(x, LEAF_WORK)
}

#[inline(never)]
fn sorts(x: u64) -> u64 {
    let mut items = [x, x ^ 5, x ^ 3, x ^ 9];
    items.sort_by_key(|item| key(*item));
    items[0]
}

#[inline(never)]
fn panics(x: u64) -> u64 {
    let guard = Guard(x);
    if spin(x, WORK) != 1 {
        std::panic::resume_unwind(Box::new(x));
    }
    guard.0
}

struct Guard(u64);

impl Drop for Guard {
    #[inline(never)]
    fn drop(&mut self) {
        self.0 = spin(self.0, LEAF_WORK);
    }
}

#[inline(never)]
fn catches(x: u64) -> u64 {
    std::panic::catch_unwind(|| panics(x)).unwrap_or(x)
}

#[inline(never)]
fn work() -> ! {
    let mut x = 1;
    loop {
        x = f00(black_box(x), black_box(&First));
        x = catches(x);
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let file = &arguments[2];
    let mut truth = String::new();
    let mut pair = |caller: &str, callee: &str, min: u32, max: u32| {
        let name = |name: &str| if name == "-" { name.to_string() } else { format!("{} ({})", name, file) };
        writeln!(truth, "{}\t{}\t{}\t{}", name(caller), name(callee), min, max).unwrap();
    };
    /* main() of C, and what Rust's runtime has before ours. */
    pair("-", "chains::work", 4, 20);
    pair("chains::work", "chains::f00", 0, 0);
    pair("chains::f00", "<chains::First as chains::Worker>::run", 0, 0);
    pair("<chains::First as chains::Worker>::run", "chains::sorts", 0, 0);
    pair("chains::sorts", "chains::key", 0, 8);
    pair("chains::sorts", "-", 0, 12);
    pair("chains::key", "chains::leaf", 0, 0);
    pair("chains::work", "chains::catches", 0, 0);
    pair("chains::work", "-", 0, 0);
    pair("chains::catches", "chains::panics", 0, 6);
    pair("chains::catches", "-", 0, 24);
    pair("chains::panics", "<chains::Guard as core::ops::drop::Drop>::drop", 0, 2);
    pair("chains::panics", "-", 0, 24);
    std::fs::write(&arguments[1], truth).unwrap();
    println!("ready");
    work();
}
