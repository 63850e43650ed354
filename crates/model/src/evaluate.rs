//! Loss and accuracy in evaluation mode on unaugmented images.

use std::time::Instant;

use residual_data::Loader;
use residual_spec::{ClassScore, Evaluation, Result, WarningEvent};
use residual_torch::failure;
use tch::{Kind, Reduction, Tensor};

use crate::Model;

/// How many rows of `logits` have their greatest value at their label.
pub fn count_right(logits: &Tensor, labels: &Tensor) -> Result<i64> {
    logits
        .f_argmax(1, false)
        .and_then(|predicted| predicted.f_eq_tensor(labels))
        .and_then(|right| right.f_sum(Kind::Int64))
        .and_then(|sum| sum.f_int64_value(&[]))
        .map_err(failure)
}

/// Sums over the batches seen so far.
pub struct Evaluator {
    loss: f64,
    top5: u32,
    confusion: Vec<Vec<u32>>,
}

impl Evaluator {
    pub fn new(classes: usize) -> Evaluator {
        Evaluator { loss: 0.0, top5: 0, confusion: vec![vec![0; classes]; classes] }
    }

    /// Adds a batch: logits `[n, classes]` and the labels of its images.
    pub fn add(&mut self, logits: &Tensor, labels: &Tensor) -> Result<()> {
        let classes = self.confusion.len() as i64;
        let ranked = (|| {
            let loss =
                logits.f_cross_entropy_loss::<Tensor>(labels, None, Reduction::Sum, -100, 0.0)?;
            let (_, top) = logits.f_topk(classes.min(5), 1, true, true)?;
            let columns = top.size()[1];
            let top = Vec::<i64>::try_from(top.f_contiguous()?.f_view([-1])?)?;
            Ok((loss.f_double_value(&[])?, top, columns, Vec::<i64>::try_from(labels)?))
        })();
        let (loss, top, columns, labels) = ranked.map_err(failure)?;
        self.loss += loss;
        for (label, ranked) in labels.iter().zip(top.chunks(columns as usize)) {
            self.confusion[*label as usize][ranked[0] as usize] += 1;
            self.top5 += u32::from(ranked.contains(label));
        }
        Ok(())
    }

    pub fn finish(self, labels: &[String], seconds: f64) -> Evaluation {
        let share = |part: u32, whole: u32| match whole {
            0 => 0.0,
            whole => f64::from(part) / f64::from(whole),
        };
        let classes: Vec<ClassScore> = self
            .confusion
            .iter()
            .zip(labels)
            .enumerate()
            .map(|(index, (row, label))| {
                let count = row.iter().sum();
                ClassScore { label: label.clone(), accuracy: share(row[index], count), count }
            })
            .collect();
        let count = classes.iter().map(|class| class.count).sum();
        let right = self.confusion.iter().enumerate().map(|(index, row)| row[index]).sum();
        Evaluation {
            loss: if count == 0 { 0.0 } else { self.loss / f64::from(count) },
            accuracy: share(right, count),
            top5: share(self.top5, count),
            count,
            classes,
            confusion: self.confusion,
            images_per_second: f64::from(count) / seconds.max(1e-9),
        }
    }
}

/// Evaluates all batches of a loader. `go_on` is asked before each; `false` ends early with
/// `None`. Images that cannot be decoded are left out and told to `warn`.
pub fn evaluate(
    model: &Model,
    labels: &[String],
    mut loader: Loader,
    mut go_on: impl FnMut() -> Result<bool>,
    mut warn: impl FnMut(WarningEvent),
) -> Result<Option<Evaluation>> {
    let started = Instant::now();
    let mut sums = Evaluator::new(labels.len());
    while let Some(loaded) = loader.next()? {
        if !go_on()? {
            return Ok(None);
        }
        for (name, error) in loaded.broken {
            warn(WarningEvent {
                code: error.code,
                message: error.message,
                file: Some(name),
                hint: error.hint,
            });
        }
        if !loaded.batch.labels.is_empty() {
            let _no_grad = tch::no_grad_guard();
            let input = model.input(&loaded.batch.images, loaded.batch.labels.len())?;
            let targets = model.labels(&loaded.batch.labels)?;
            sums.add(&model.forward(&input, false)?, &targets)?;
        }
        loader.recycle(loaded.batch);
    }
    Ok(Some(sums.finish(labels, started.elapsed().as_secs_f64())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_over_batches_are_those_of_the_whole() {
        let labels = ["a".to_string(), "b".to_string(), "c".to_string()];
        let logits = Tensor::from_slice2(&[[2.0f32, 1.0, 0.0], [0.0, 1.0, 2.0], [0.0, 3.0, 1.0]]);
        let targets = Tensor::from_slice(&[0i64, 0, 1]);
        let mut whole = Evaluator::new(3);
        whole.add(&logits, &targets).unwrap();
        let mut parts = Evaluator::new(3);
        for i in 0..3 {
            parts.add(&logits.narrow(0, i, 1), &targets.narrow(0, i, 1)).unwrap();
        }
        let (whole, parts) = (whole.finish(&labels, 1.0), parts.finish(&labels, 1.0));
        assert!((whole.loss - parts.loss).abs() < 1e-6);
        assert_eq!(whole.confusion, [[1, 0, 1], [0, 1, 0], [0, 0, 0]]);
        assert_eq!(whole.confusion, parts.confusion);
        assert_eq!((whole.accuracy, whole.top5, whole.count), (2.0 / 3.0, 1.0, 3));
        assert_eq!(whole.classes[0].accuracy, 0.5);
    }
}
