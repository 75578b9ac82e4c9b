//! Winograd's passes: equal bits on every instruction set, and within a bound of f64 sums.

mod common;

use mobula_kernels::shape::{Conv, Map};
use mobula_kernels::winograd::Winograd;

use common::{Problem, noise};

/// Largest error as a share of the outputs' root mean square: half of what fast mode may have.
const BOUND: f64 = 1.5e-5;

fn problem(shape: (usize, usize, usize), images: usize) -> (Problem, Winograd) {
    strided(shape, 1, images)
}

fn strided(
    (side, c, k): (usize, usize, usize),
    stride: usize,
    images: usize,
) -> (Problem, Winograd) {
    let conv = Conv::new(Map::new(side, side, c), k, stride);
    (Problem::new(conv, images, 40), Winograd::of(conv).expect("tiles fit"))
}

#[test]
fn layers_of_the_presets_stay_within_the_bound_of_fast_mode() {
    for shape in
        [(32, 32, 32), (16, 32, 64), (16, 64, 64), (16, 64, 128), (8, 64, 128), (8, 128, 128)]
    {
        let (problem, wino) = problem(shape, 2);
        problem.check(&problem.tiled(wino), BOUND);
    }
    for shape in [(32, 32, 32), (16, 64, 64), (16, 64, 128), (8, 128, 128)] {
        let (problem, wino) = strided(shape, 2, 2);
        problem.check(&problem.tiled(wino), BOUND);
    }
}

#[test]
fn many_tiles_of_odd_channels_stay_within_the_bound() {
    let (problem, wino) = problem((4, 41, 70), 60);
    problem.check(&problem.tiled(wino), BOUND);
    let (problem, wino) = strided((8, 41, 70), 2, 50);
    problem.check(&problem.tiled(wino), BOUND);
}

#[test]
fn bias_and_activation_come_with_the_forward_pass() {
    for stride in [1, 2] {
        let (problem, wino) = strided((8, 16, 24), stride, 2);
        let bias = noise(77, 24);
        let plain = problem.tiled_forward(wino, &[0.0; 24], 1.0);
        let got = problem.tiled_forward(wino, &bias, 0.3);
        for (i, (got, plain)) in got.iter().zip(plain).enumerate() {
            let sum = plain + bias[i % 24];
            assert_eq!(*got, if sum > 0.0 { sum } else { sum * 0.3 }, "at {i}");
        }
        let scale = noise(78, 24);
        let got = problem.scaled_forward(wino, Some(&scale), &bias, 1.0);
        let plain = problem.tiled_forward(wino, &[0.0; 24], 1.0);
        for (i, (got, plain)) in got.iter().zip(plain).enumerate() {
            assert_eq!(*got, plain.mul_add(scale[i % 24], bias[i % 24]), "at {i}");
        }
    }
}

#[test]
fn what_tiles_do_not_fit_is_left_to_direct_kernels() {
    let of = |h, w, c, k, stride| Winograd::of(Conv::new(Map::new(h, w, c), k, stride));
    assert!(of(8, 8, 16, 16, 1).is_some());
    assert!(of(8, 16, 16, 16, 2).is_some());
    assert!(of(8, 12, 16, 16, 2).is_none());
    assert!(of(7, 8, 16, 16, 2).is_none());
    assert!(of(6, 8, 16, 16, 1).is_none());
    assert!(of(8, 7, 16, 16, 1).is_none());
    assert!(of(8, 8, 3, 16, 1).is_none());
}
