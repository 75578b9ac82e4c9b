//! Convolutions and passes over maps of random shapes: every instruction set against the portable one (equal
//! bits), and against plain f64 sums.

mod common;

use mobula_kernels::map::{self, Dropout, View, ViewMut};
use mobula_kernels::norm::{self, Centre, Norm};
use mobula_kernels::shape::{Conv, Map};
use mobula_kernels::winograd::Winograd;
use proptest::prelude::{Just, Strategy, prop_oneof, proptest};

use common::{Problem, noise, noise_map, on_all};

/// Largest error of direct sums as a share of the root mean square.
const DIRECT: f64 = 1e-5;
/// The gate of fast mode.
const TILED: f64 = 3e-5;

/// Any small map; one pixel and one channel are among them.
fn maps() -> impl Strategy<Value = Map> {
    (1..=9_usize, 1..=9_usize, 1..=40_usize).prop_map(|(h, w, c)| Map::new(h, w, c))
}

fn pooled_maps() -> impl Strategy<Value = Map> {
    (2..=9_usize, 2..=9_usize, 1..=40_usize).prop_map(|(h, w, c)| Map::new(h, w, c))
}

proptest! {
    #[test]
    fn direct_convolutions_agree(
        map in maps(),
        k in 1..=70_usize,
        stride in prop_oneof![Just(1_usize), Just(2)],
        images in 1..=2_usize,
        seed in 0..1000_u64,
    ) {
        let problem = Problem::new(Conv::new(map, k, stride), images, seed);
        problem.check(&problem.direct(), DIRECT);
    }

    #[test]
    fn tiled_convolutions_agree(
        (down, across) in (1..=3_usize, 1..=3_usize),
        c in 8..=40_usize,
        k in 8..=70_usize,
        stride in prop_oneof![Just(1_usize), Just(2)],
        images in 1..=3_usize,
        seed in 0..1000_u64,
    ) {
        let map = Map::new(4 * stride * down, 4 * stride * across, c);
        let conv = Conv::new(map, k, stride);
        let problem = Problem::new(conv, images, seed);
        problem.check(&problem.tiled(Winograd::of(conv).expect("tiles fit")), TILED);
    }

    #[test]
    fn passes_over_maps_give_equal_bits(map in maps(), seed in 0..1000_u64) {
        let (x, dy) = (noise_map(seed, map.padded()), noise(seed + 1, map.len()));
        let (x, dy) = (View::new(map.padded(), &x), View::new(map, &dy));
        on_all("passes", |cpu| {
            let mut out = vec![vec![0.0; map.len()]; 3];
            let [a, b, c] = out.as_mut_slice() else { unreachable!("there are three") };
            map::activate(cpu, x, 0.3, ViewMut::new(map, a));
            map::activate_grad(cpu, x, dy, 0.3, ViewMut::new(map, b));
            let drop = Dropout { key: seed * 77, rate: 0.25 };
            map::dropout(cpu, drop, x, ViewMut::new(map, c));
            let mut sums = vec![0.0; map.c];
            map::channel_sums(cpu, x, true, &mut sums);
            let mut means = vec![0.0; map.c];
            map::global_avg_pool(cpu, x, ViewMut::new(Map::new(1, 1, map.c), &mut means));
            out.push(sums);
            out.push(means);
            out.concat()
        });
    }

    /// Normalising, activating and pooling in one pass is what the three do one after another.
    #[test]
    fn pooled_normalisation_is_that_of_three_passes(map in pooled_maps(), seed in 0..1000_u64) {
        let small = map::pooled(map);
        let (z, dy) = (noise(seed, map.len()), noise(seed + 1, small.len()));
        let (z, dy) = (View::new(map, &z), View::new(small, &dy));
        let p: Vec<_> = (3..8).map(|i| noise(seed + i, map.c)).collect();
        let norm = Norm { mean: &p[0], scale: &p[1], beta: &p[2], slope: 0.3 };
        let centre = Centre { mean: &p[3], tilt: &p[4] };
        on_all("pooled", |cpu| {
            let (mut y, mut pool) = (vec![0.0; map.len()], vec![0.0; small.len()]);
            norm::apply(cpu, norm, z, ViewMut::new(map, &mut y));
            let y = View::new(map, &y);
            map::max_pool(cpu, y, ViewMut::new(small, &mut pool));
            let mut spread = vec![0.0; map.len()];
            let top = View::new(small, &pool);
            map::max_pool_grad(cpu, y, top, dy, 1.0, ViewMut::new(map, &mut spread));
            let spread = View::new(map, &spread);
            let mut dz = vec![0.0; map.len()];
            norm::grad(cpu, norm, centre, z, spread, ViewMut::new(map, &mut dz));

            let (mut together, mut back) = (vec![0.0; small.len()], vec![0.0; map.len()]);
            norm::apply_pooled(cpu, norm, z, ViewMut::new(small, &mut together));
            norm::grad_pooled(cpu, norm, centre, z, dy, ViewMut::new(map, &mut back));
            assert_eq!(together, pool);
            assert_eq!(back, dz);

            let (mut sums, mut scratch) = (vec![0.0; 2 * map.c], vec![0.0; 2 * map.c]);
            norm::sums(cpu, norm, z, spread, &mut sums, &mut scratch);
            let mut pooled = vec![0.0; 2 * map.c];
            norm::sums_pooled(cpu, norm, z, dy, &mut pooled, &mut scratch);
            for (a, b) in sums.iter().zip(&pooled) {
                assert!((a - b).abs() <= 1e-5 * (1.0 + a.abs()), "{a} and {b}");
            }
            [together, back].concat()
        });
    }
}
