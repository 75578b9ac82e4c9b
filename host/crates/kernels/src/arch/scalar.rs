//! The portable twin: eight lanes in plain Rust, the same order of operations as the vector sets.
#![expect(unsafe_code, reason = "raw loads and stores behind the tile's asserts")]

use super::Isa;

/// Plain Rust; exists on every processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scalar;

impl Isa for Scalar {
    type V = [f32; 8];
    type M = usize;
    const LANES: usize = 8;
    const ROWS: usize = 6;

    #[inline(always)]
    fn zero(self) -> Self::V {
        [0.0; 8]
    }

    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        [x; 8]
    }

    #[inline(always)]
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i].mul_add(b[i], c[i]))
    }

    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] + b[i])
    }

    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] - b[i])
    }

    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] * b[i])
    }

    #[inline(always)]
    fn div(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] / b[i])
    }

    #[inline(always)]
    fn sqrt(self, a: Self::V) -> Self::V {
        a.map(f32::sqrt)
    }

    #[inline(always)]
    fn lane(self, v: Self::V) -> f32 {
        v[0]
    }

    #[inline(always)]
    fn gt(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V {
        std::array::from_fn(|i| if a[i] > b[i] { yes[i] } else { no[i] })
    }

    #[inline(always)]
    fn eq(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V {
        std::array::from_fn(|i| if a[i] == b[i] { yes[i] } else { no[i] })
    }

    #[inline(always)]
    fn leaky(self, v: Self::V, slope: Self::V) -> Self::V {
        std::array::from_fn(|i| if v[i] > 0.0 { v[i] } else { v[i] * slope[i] })
    }

    #[inline(always)]
    fn first(self, n: usize) -> usize {
        n.min(8)
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> Self::V {
        // SAFETY: the caller has eight readable floats at `p`.
        unsafe { p.cast::<[f32; 8]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn load_some(self, p: *const f32, mask: usize) -> Self::V {
        // SAFETY: the caller has `mask` readable floats at `p`.
        let given = unsafe { std::slice::from_raw_parts(p, mask) };
        let mut v = [0.0; 8];
        v[..mask].copy_from_slice(given);
        v
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: Self::V) {
        // SAFETY: the caller has eight writable floats at `p`.
        unsafe { p.cast::<[f32; 8]>().write_unaligned(v) }
    }

    #[inline(always)]
    unsafe fn store_some(self, p: *mut f32, v: Self::V, mask: usize) {
        // SAFETY: the caller has `mask` writable floats at `p`.
        unsafe { std::slice::from_raw_parts_mut(p, mask) }.copy_from_slice(&v[..mask]);
    }
}
