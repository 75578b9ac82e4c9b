//! Sixteen lanes of AVX-512.
#![expect(unsafe_code, reason = "vector intrinsics")]

use std::arch::x86_64::{
    __m512, __mmask16, _CMP_EQ_OQ, _CMP_GT_OQ, _MM_HINT_T0, _mm_prefetch, _mm512_add_ps,
    _mm512_cmp_ps_mask, _mm512_cvtss_f32, _mm512_div_ps, _mm512_fmadd_ps, _mm512_loadu_ps,
    _mm512_mask_mov_ps, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_mul_ps,
    _mm512_set1_ps, _mm512_setzero_ps, _mm512_sqrt_ps, _mm512_storeu_ps, _mm512_sub_ps,
};

use super::Isa;

/// Proof that the processor has AVX-512 F, BW, DQ and VL besides AVX2 and FMA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Avx512(());

impl Avx512 {
    /// The proof, where the processor has all of them.
    pub(crate) fn detect() -> Option<Self> {
        let found = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma");
        found.then_some(Self(()))
    }
}

impl Isa for Avx512 {
    type V = __m512;
    type M = __mmask16;
    const LANES: usize = 16;
    const ROWS: usize = 12;

    #[inline(always)]
    fn zero(self) -> __m512 {
        // SAFETY: `self` proves the features.
        unsafe { _mm512_setzero_ps() }
    }

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        // SAFETY: `self` proves the features.
        unsafe { _mm512_set1_ps(x) }
    }

    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: `self` proves the features.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` proves the features.
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` proves the features.
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` proves the features.
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` proves the features.
        unsafe { _mm512_div_ps(a, b) }
    }

    #[inline(always)]
    fn sqrt(self, a: __m512) -> __m512 {
        // SAFETY: `self` proves the features.
        unsafe { _mm512_sqrt_ps(a) }
    }

    #[inline(always)]
    fn lane(self, v: __m512) -> f32 {
        // SAFETY: `self` proves the features.
        unsafe { _mm512_cvtss_f32(v) }
    }

    #[inline(always)]
    fn gt(self, a: __m512, b: __m512, yes: __m512, no: __m512) -> __m512 {
        // SAFETY: `self` proves the features.
        unsafe { _mm512_mask_mov_ps(no, _mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b), yes) }
    }

    #[inline(always)]
    fn eq(self, a: __m512, b: __m512, yes: __m512, no: __m512) -> __m512 {
        // SAFETY: `self` proves the features.
        unsafe { _mm512_mask_mov_ps(no, _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(a, b), yes) }
    }

    #[inline(always)]
    fn leaky(self, v: __m512, slope: __m512) -> __m512 {
        // SAFETY: `self` proves the features.
        unsafe {
            let positive = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(v, _mm512_setzero_ps());
            _mm512_mask_mov_ps(_mm512_mul_ps(v, slope), positive, v)
        }
    }

    #[inline(always)]
    fn fetch(self, x: &[f32], ahead: usize) {
        // SAFETY: a hint, which may be of any address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(x.as_ptr().wrapping_add(ahead).cast()) };
    }

    #[inline(always)]
    fn first(self, n: usize) -> __mmask16 {
        if n >= 16 { u16::MAX } else { (1 << n) - 1 }
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> __m512 {
        // SAFETY: the caller has sixteen readable floats at `p`.
        unsafe { _mm512_loadu_ps(p) }
    }

    #[inline(always)]
    unsafe fn load_some(self, p: *const f32, mask: __mmask16) -> __m512 {
        // SAFETY: the caller has the mask's floats readable at `p`; the others are not touched.
        unsafe { _mm512_maskz_loadu_ps(mask, p) }
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: __m512) {
        // SAFETY: the caller has sixteen writable floats at `p`.
        unsafe { _mm512_storeu_ps(p, v) }
    }

    #[inline(always)]
    unsafe fn store_some(self, p: *mut f32, v: __m512, mask: __mmask16) {
        // SAFETY: the caller has the mask's floats writable at `p`; the others are not touched.
        unsafe { _mm512_mask_storeu_ps(p, mask, v) }
    }
}
