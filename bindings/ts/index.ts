/**
 * Native training of residual networks (He et al. 2015) for Node and TypeScript.
 *
 * @packageDocumentation
 */
export type { ArrayPart, Arrays } from './arrays.js'
export { bench } from './bench.js'
export { Dashboard, type DashboardOptions, dashboard } from './dashboard/dashboard.js'
export { type DatasetInfo, datasets, downloadDataset, verifyDataset } from './datasets.js'
export type { Check, CheckState, Diagnosis } from './doctor/diagnosis.js'
export { doctor } from './doctor/doctor.js'
export type { Verification, VerifiedFile } from './download/dataset.js'
export type { DownloadOptions, DownloadProgress } from './download/fetch-file.js'
export { AbortError, type Failure, ResidualError } from './errors.js'
export { evaluate } from './evaluate.js'
export type { FigureFiles } from './experiment/curves.js'
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
export { type Experiments, experiment } from './experiment/experiment.js'
export type { ExperimentEvent, ExperimentOptions, MemberEvent } from './experiment/members.js'
export type { Published } from './experiment/paper.js'
export type { RepeatConfig, RepeatResult } from './experiment/repeat.js'
export type { Spread } from './experiment/spread.js'
export { exportModel, exportModel as export } from './export.js'
export { type FindLrFiles, type FindLrOptions, type FindLrResult, findLr } from './find-lr.js'
export * from './generated.js'
export type { ImageInput, Pixels } from './image.js'
export { inspect } from './inspect.js'
export { type EvaluateOptions, loadModel, Model } from './model.js'
export type { Hook, HookAnswer, TrainOptions } from './options.js'
export { drawExamples } from './pictures/examples.js'
export { type GridOptions, makeGrid, Picture, type Tile } from './pictures/grid.js'
export type { PaintOptions } from './pictures/paint.js'
export { type PlanOptions, plan } from './plan.js'
export { predict } from './predict.js'
export { type Recipe, recipes } from './recipe.js'
export { type Answered, predictionPage } from './report/gallery.js'
export {
  type ReportedRun,
  type ReportOptions,
  type ReportResult,
  report,
} from './report/report.js'
export { Run, type RunState } from './run.js'
export { type ShowOptions, showDataset } from './show-dataset.js'
export { train } from './train.js'
export { wordKey } from './word-key.js'
