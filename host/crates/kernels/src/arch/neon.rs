//! Four lanes of NEON, which every 64-bit ARM processor has.
#![expect(unsafe_code, reason = "vector intrinsics")]

use std::arch::aarch64::{
    float32x4_t, vaddq_f32, vbslq_f32, vceqq_f32, vcgtq_f32, vdivq_f32, vdupq_n_f32, vfmaq_f32,
    vgetq_lane_f32, vld1q_f32, vmulq_f32, vsqrtq_f32, vst1q_f32, vsubq_f32,
};

use super::Isa;

/// Proof that the processor has NEON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Neon(());

impl Neon {
    /// The proof; the target has it always.
    pub(crate) fn detect() -> Option<Self> {
        std::arch::is_aarch64_feature_detected!("neon").then_some(Self(()))
    }
}

impl Isa for Neon {
    type V = float32x4_t;
    type M = usize;
    const LANES: usize = 4;
    const ROWS: usize = 12;

    #[inline(always)]
    fn zero(self) -> float32x4_t {
        self.splat(0.0)
    }

    #[inline(always)]
    fn splat(self, x: f32) -> float32x4_t {
        // SAFETY: `self` proves the features.
        unsafe { vdupq_n_f32(x) }
    }

    #[inline(always)]
    fn fma(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        // SAFETY: `self` proves the features.
        unsafe { vfmaq_f32(c, a, b) }
    }

    #[inline(always)]
    fn add(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: `self` proves the features.
        unsafe { vaddq_f32(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: `self` proves the features.
        unsafe { vsubq_f32(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: `self` proves the features.
        unsafe { vmulq_f32(a, b) }
    }

    #[inline(always)]
    fn div(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: `self` proves the features.
        unsafe { vdivq_f32(a, b) }
    }

    #[inline(always)]
    fn sqrt(self, a: float32x4_t) -> float32x4_t {
        // SAFETY: `self` proves the features.
        unsafe { vsqrtq_f32(a) }
    }

    #[inline(always)]
    fn lane(self, v: float32x4_t) -> f32 {
        // SAFETY: `self` proves the features.
        unsafe { vgetq_lane_f32::<0>(v) }
    }

    #[inline(always)]
    fn gt(self, a: float32x4_t, b: float32x4_t, yes: float32x4_t, no: float32x4_t) -> float32x4_t {
        // SAFETY: `self` proves the features.
        unsafe { vbslq_f32(vcgtq_f32(a, b), yes, no) }
    }

    #[inline(always)]
    fn eq(self, a: float32x4_t, b: float32x4_t, yes: float32x4_t, no: float32x4_t) -> float32x4_t {
        // SAFETY: `self` proves the features.
        unsafe { vbslq_f32(vceqq_f32(a, b), yes, no) }
    }

    #[inline(always)]
    fn leaky(self, v: float32x4_t, slope: float32x4_t) -> float32x4_t {
        self.gt(v, self.zero(), v, self.mul(v, slope))
    }

    #[inline(always)]
    fn first(self, n: usize) -> usize {
        n.min(4)
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> float32x4_t {
        // SAFETY: the caller has four readable floats at `p`.
        unsafe { vld1q_f32(p) }
    }

    #[inline(always)]
    unsafe fn load_some(self, p: *const f32, mask: usize) -> float32x4_t {
        // SAFETY: the caller has `mask` readable floats at `p`.
        let given = unsafe { std::slice::from_raw_parts(p, mask) };
        let mut all = [0.0; 4];
        all[..mask].copy_from_slice(given);
        // SAFETY: `all` has four floats.
        unsafe { vld1q_f32(all.as_ptr()) }
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: float32x4_t) {
        // SAFETY: the caller has four writable floats at `p`.
        unsafe { vst1q_f32(p, v) }
    }

    #[inline(always)]
    unsafe fn store_some(self, p: *mut f32, v: float32x4_t, mask: usize) {
        let mut all = [0.0; 4];
        // SAFETY: `all` has four floats, and the caller `mask` writable ones at `p`.
        unsafe {
            vst1q_f32(all.as_mut_ptr(), v);
            std::slice::from_raw_parts_mut(p, mask).copy_from_slice(&all[..mask]);
        }
    }
}
