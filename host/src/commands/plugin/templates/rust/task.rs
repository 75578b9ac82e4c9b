//! The plugin `{{name}}`: say here what it is for.

use mobula_guest::prelude::*;

/// Arguments of `{{ident}}`.
#[args]
pub struct Args {
    /// What each pixel is multiplied by.
    #[arg(default = 1.0, min = 0.0)]
    factor: f32,
}

/// What `{{ident}}` gives.
#[outputs]
pub struct Scaled {
    /// The pixels as numbers.
    images: Tensor<f32>,
}

/// Turn pixels into numbers, and multiply them.
#[task]
pub fn {{ident}}(#[port(shape = "[N, …]")] images: Tensor<u8>, args: Args) -> Result<Scaled> {
    let shape = images.shape();
    let mut scaled = TensorBuilder::of(&shape[1..], shape[0])?;
    // Part by part: images of any size need little memory here.
    for part in images.parts() {
        let part = part?;
        let values: Vec<f32> = part.values.iter().map(|x| f32::from(*x) * args.factor).collect();
        scaled.push(&values)?;
        context::progress(part.start + part.rows, Some(images.rows()));
    }
    Ok(Scaled { images: scaled.finish()? })
}

plugin! { tasks: [{{ident}}] }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_multiplied() -> Result<()> {
        let images = Tensor::of(&[2, 2], &[1, 2, 3, 4])?;
        let scaled = {{ident}}(images, Args { factor: 0.5 })?;
        assert_eq!(scaled.images.values()?, [0.5, 1.0, 1.5, 2.0]);
        Ok(())
    }
}
