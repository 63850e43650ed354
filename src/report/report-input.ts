import type { Evaluation, Split } from '../native/generated.js'

/** Data of a section, or a sentence with the reason why the data is missing. */
export type SectionData<T> = { value: T } | { missing: string }

/** Metrics of a run's best checkpoint on one split. */
export interface SplitEvaluation {
  split: Split
  evaluation: Evaluation
}
