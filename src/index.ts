/**
 * Native training of residual networks (He et al. 2015) for Node and TypeScript.
 *
 * @packageDocumentation
 */

export { type DatasetInfo, datasets, downloadDataset, verifyDataset } from './api/data/datasets.js'
export { type ShowOptions, showDataset } from './api/data/preview-dataset.js'
export { bench } from './api/model/bench.js'
export { evaluate } from './api/model/evaluate.js'
export { exportModel, exportModel as export } from './api/model/export.js'
export { inspect } from './api/model/inspect.js'
export { type EvaluateOptions, loadModel, Model } from './api/model/model.js'
export { predict } from './api/model/predict.js'
export {
  type FindLrFiles,
  type FindLrOptions,
  type FindLrResult,
  findLr,
} from './api/run/find-lr.js'
export { type PlanOptions, plan } from './api/run/plan.js'
export { type Recipe, recipes } from './api/run/recipe.js'
export { Run, type RunState } from './api/run/run.js'
export { wordKey } from './api/run/shorthand-key.js'
export { train } from './api/run/train.js'
export type { Hook, HookAnswer, TrainOptions } from './api/run/train-options.js'
export { Dashboard, type DashboardOptions, dashboard } from './dashboard/dashboard.js'
export type { Check, CheckState, Diagnosis } from './doctor/diagnosis.js'
export { doctor } from './doctor/doctor.js'
export type { Verification, VerifiedFile } from './download/dataset.js'
export type { DownloadOptions, DownloadProgress } from './download/fetch-file.js'
export { AbortError, type Failure, ResidualError } from './errors/errors.js'
export type {
  DegradationConfig,
  DegradationNet,
  DegradationResult,
  DegradationVerdict,
} from './experiment/degradation.js'
export type {
  EnsembleConfig,
  EnsembleMember,
  EnsembleOptions,
  EnsembleResult,
} from './experiment/ensemble.js'
export type { FigureFiles } from './experiment/error-curves.js'
export { type Experiments, experiment } from './experiment/experiment.js'
export type { Spread } from './experiment/mean-std.js'
export type { ExperimentEvent, ExperimentOptions, MemberEvent } from './experiment/member-runs.js'
export type { Published } from './experiment/paper-results.js'
export type { RepeatConfig, RepeatResult } from './experiment/repeat.js'
export { type GridOptions, makeGrid, Picture, type Tile } from './image-grid/grid.js'
export { drawExamples } from './image-grid/predictions.js'
export type { PaintOptions } from './image-grid/rasterize.js'
export type { ArrayPart, Arrays } from './native/arguments/arrays.js'
export type { ImageInput, Pixels } from './native/arguments/image.js'
export * from './native/generated.js'
export { type Answered, predictionPage } from './report/prediction-gallery.js'
export {
  type ReportedRun,
  type ReportOptions,
  type ReportResult,
  report,
} from './report/report.js'
