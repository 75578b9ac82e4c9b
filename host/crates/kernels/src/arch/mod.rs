//! What a processor offers to the kernels, and the choice of it made once; the only hand-written
//! `unsafe` of the workspace lives in this folder.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub(crate) mod halving;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;
pub(crate) mod tile;
pub(crate) mod winograd;
pub(crate) mod winograd_weights;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2Fma;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::Avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) use neon::Neon;
pub(crate) use scalar::Scalar;

/// Lanes of f32 and the few operations that the register tiles need. A value of the type is the
/// proof that the processor has the instructions.
pub(crate) trait Isa: Copy {
    /// A vector register.
    type V: Copy;
    /// Which lanes take part.
    type M: Copy;
    /// Lanes of a vector.
    const LANES: usize;
    /// Rows of a register tile two vectors wide that fit the register file.
    const ROWS: usize;

    fn zero(self) -> Self::V;
    fn splat(self, x: f32) -> Self::V;
    /// a · b + c, rounded once.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    fn sqrt(self, a: Self::V) -> Self::V;
    /// The first lane.
    fn lane(self, v: Self::V) -> f32;
    /// Where a > b the lanes of `yes`, else of `no`.
    fn gt(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V;
    /// Where a = b the lanes of `yes`, else of `no`.
    fn eq(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V;
    /// v where v > 0, else v · slope.
    fn leaky(self, v: Self::V, slope: Self::V) -> Self::V;
    /// Begins to fetch what is `ahead` floats behind the start of `x`, if that is anything.
    #[inline(always)]
    fn fetch(self, x: &[f32], ahead: usize) {
        let _ = (x, ahead);
    }
    /// The first `n` lanes (all, if there are fewer).
    fn first(self, n: usize) -> Self::M;
    /// # Safety
    /// `LANES` floats are readable at `p`.
    #[expect(unsafe_code, reason = "raw loads are what this folder is for")]
    unsafe fn load(self, p: *const f32) -> Self::V;
    /// # Safety
    /// The floats of the mask's lanes are readable at `p`; the others become 0.
    #[expect(unsafe_code, reason = "raw loads are what this folder is for")]
    unsafe fn load_some(self, p: *const f32, mask: Self::M) -> Self::V;
    /// # Safety
    /// `LANES` floats are writable at `p`.
    #[expect(unsafe_code, reason = "raw stores are what this folder is for")]
    unsafe fn store(self, p: *mut f32, v: Self::V);
    /// # Safety
    /// The floats of the mask's lanes are writable at `p`.
    #[expect(unsafe_code, reason = "raw stores are what this folder is for")]
    unsafe fn store_some(self, p: *mut f32, v: Self::V, mask: Self::M);
}

/// Some of the channels of a pixel: as many as a vector has lanes, or the last ones.
#[derive(Clone, Copy)]
pub(crate) struct Lanes<I: Isa> {
    /// The first channel.
    pub(crate) at: usize,
    count: usize,
    mask: I::M,
}

impl<I: Isa> Lanes<I> {
    /// The channels from `at` of `c`.
    #[inline(always)]
    pub(crate) fn of(isa: I, at: usize, c: usize) -> Self {
        let count = (c - at).min(I::LANES);
        Self { at, count, mask: isa.first(count) }
    }

    /// The values of `x` from `i`; lanes that are no channels become 0.
    #[inline(always)]
    pub(crate) fn get(self, isa: I, x: &[f32], i: usize) -> I::V {
        let x = &x[i..i + self.count];
        #[expect(unsafe_code, reason = "the slice is as long as the lanes")]
        // SAFETY: `x` has `count` values, which are all lanes or those of the mask.
        unsafe {
            if self.count == I::LANES {
                isa.load(x.as_ptr())
            } else {
                isa.load_some(x.as_ptr(), self.mask)
            }
        }
    }

    /// Sets the values of `x` from `i`.
    #[inline(always)]
    pub(crate) fn put(self, isa: I, x: &mut [f32], i: usize, v: I::V) {
        let x = &mut x[i..i + self.count];
        #[expect(unsafe_code, reason = "the slice is as long as the lanes")]
        // SAFETY: `x` has `count` values, which are all lanes or those of the mask.
        unsafe {
            if self.count == I::LANES {
                isa.store(x.as_mut_ptr(), v);
            } else {
                isa.store_some(x.as_mut_ptr(), v, self.mask);
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Scalar(Scalar),
    #[cfg(target_arch = "x86_64")]
    Avx2Fma(Avx2Fma),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    #[cfg(target_arch = "aarch64")]
    Neon(Neon),
}

/// The instruction set that kernels run on. All give the same bits; only the speed differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpu(pub(crate) Kind);

impl Cpu {
    /// The fastest that this processor has.
    #[must_use]
    pub fn detect() -> Self {
        Self::avx512().or_else(Self::avx2).or_else(Self::neon).unwrap_or_else(Self::portable)
    }

    /// Plain Rust, on any processor.
    #[must_use]
    pub fn portable() -> Self {
        Self(Kind::Scalar(Scalar))
    }

    /// AVX2 with FMA, if the processor has it.
    #[must_use]
    pub fn avx2() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        return Avx2Fma::detect().map(|isa| Self(Kind::Avx2Fma(isa)));
        #[cfg(not(target_arch = "x86_64"))]
        return None;
    }

    /// AVX-512, if the processor has it.
    #[must_use]
    pub fn avx512() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        return Avx512::detect().map(|isa| Self(Kind::Avx512(isa)));
        #[cfg(not(target_arch = "x86_64"))]
        return None;
    }

    /// NEON, on 64-bit ARM.
    #[must_use]
    pub fn neon() -> Option<Self> {
        #[cfg(target_arch = "aarch64")]
        return Neon::detect().map(|isa| Self(Kind::Neon(isa)));
        #[cfg(not(target_arch = "aarch64"))]
        return None;
    }

    /// Every instruction set that runs here, the portable one first.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let vectors = [Self::avx2(), Self::avx512(), Self::neon()];
        std::iter::once(Self::portable()).chain(vectors.into_iter().flatten()).collect()
    }

    /// Its name: `portable`, `avx2`, `avx512` or `neon`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            Kind::Scalar(_) => "portable",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2Fma(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(_) => "avx512",
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(_) => "neon",
        }
    }

    /// Columns of a panel of packed weights.
    #[must_use]
    pub fn panel(self) -> usize {
        2 * match self.0 {
            Kind::Scalar(_) => Scalar::LANES,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2Fma(_) => Avx2Fma::LANES,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(_) => Avx512::LANES,
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(_) => Neon::LANES,
        }
    }
}

/// Writes one generic body and its instantiation for each instruction set. The body is inlined
/// into a function with the set's target features, so plain loops are vectorised with them too.
macro_rules! kernel {
    ($(#[$meta:meta])* $vis:vis fn $name:ident[$isa:ident](
        $($arg:ident: $ty:ty),* $(,)?
    ) $(-> $ret:ty)? $body:block) => {
        $(#[$meta])*
        $vis fn $name(cpu: $crate::Cpu, $($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            fn generic<I: $crate::arch::Isa>($isa: I, $($arg: $ty),*) $(-> $ret)? $body
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2(isa: $crate::arch::Avx2Fma, $($arg: $ty),*) $(-> $ret)? {
                generic(isa, $($arg),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
            fn avx512(isa: $crate::arch::Avx512, $($arg: $ty),*) $(-> $ret)? {
                generic(isa, $($arg),*)
            }
            match cpu.0 {
                $crate::arch::Kind::Scalar(isa) => generic(isa, $($arg),*),
                #[cfg(target_arch = "x86_64")]
                $crate::arch::Kind::Avx2Fma(isa) => {
                    #[expect(unsafe_code, reason = "calls a function of more target features")]
                    // SAFETY: an `Avx2Fma` exists only where `detect` found these features.
                    unsafe { avx2(isa, $($arg),*) }
                }
                #[cfg(target_arch = "x86_64")]
                $crate::arch::Kind::Avx512(isa) => {
                    #[expect(unsafe_code, reason = "calls a function of more target features")]
                    // SAFETY: an `Avx512` exists only where `detect` found these features.
                    unsafe { avx512(isa, $($arg),*) }
                }
                // Part of the target, so it needs no function of its own.
                #[cfg(target_arch = "aarch64")]
                $crate::arch::Kind::Neon(isa) => generic(isa, $($arg),*),
            }
        }
    };
}
pub(crate) use kernel;
