/**
 * Native training of residual networks (He et al. 2015) for Node and TypeScript.
 *
 * @packageDocumentation
 */

// The first import: it explains an unsupported Node before another module fails.
import './native/assert-node-version.js'

export { datasets, downloadDataset, type NamedDataset, verifyDataset } from './api/data/datasets.js'
export { type PreviewOptions, previewDataset } from './api/data/preview-dataset.js'
export { bench } from './api/model/bench.js'
export { evaluate } from './api/model/evaluate.js'
export { exportModel, exportModel as export } from './api/model/export.js'
export { inspect } from './api/model/inspect.js'
export { type EvaluateOptions, loadModel, Model } from './api/model/model.js'
export { predict } from './api/model/predict.js'
export { report } from './api/report/report.js'
export type { ReportedRun, ReportOptions, ReportResult } from './api/report/report-result.js'
export {
  type FindLrFiles,
  type FindLrOptions,
  type FindLrResult,
  findLr,
} from './api/run/find-lr.js'
export { type PlanOptions, plan } from './api/run/plan.js'
export { type Recipe, recipes } from './api/run/recipes.js'
export { Run, type RunState } from './api/run/run.js'
export { train } from './api/run/train.js'
export type { Hook, HookResult, TrainOptions } from './api/run/train-options.js'
export { verify } from './api/run/verify.js'
export type { FigureFiles } from './charts/figure-files.js'
export type { CudaSetupProgress } from './cuda/progress.js'
export {
  type CudaDownloadOptions,
  type CudaProgressOptions,
  type CudaSetupOptions,
  downloadCuda,
  planCudaSetup,
  removeCuda,
  setupCuda,
  verifyCuda,
} from './cuda/setup-cuda.js'
export type {
  CudaLicense,
  CudaPlanOptions,
  CudaSetupPlan,
  CudaSourceOptions,
} from './cuda/setup-plan.js'
export type { CudaVerification, VerifiedCudaFile } from './cuda/verify-installation.js'
export { Dashboard, type DashboardOptions, dashboard } from './dashboard/dashboard.js'
export type { Check, CheckStatus, Diagnosis } from './doctor/diagnosis.js'
export { doctor } from './doctor/doctor.js'
export type { DatasetVerification, VerifiedFile } from './download/dataset.js'
export type { DownloadOptions, DownloadProgress } from './download/fetch-file.js'
export type { DownloadRetry } from './download/http.js'
export { AbortError, ResidualError, type RunError } from './errors/errors.js'
export type { DegradationConfig } from './experiment/degradation.js'
export type {
  DegradationNetwork,
  DegradationResult,
  DepthComparison,
  Family as NetworkFamily,
} from './experiment/degradation-result.js'
export type {
  EnsembleConfig,
  EnsembleMember,
  EnsembleOptions,
  EnsembleResult,
} from './experiment/ensemble.js'
export { type Experiments, experiment } from './experiment/experiment.js'
export type {
  ExperimentEvent,
  ExperimentOptions,
  MemberEvent,
} from './experiment/experiment-runs.js'
export type { MeanStd } from './experiment/mean-std.js'
export type { PublishedResult } from './experiment/paper-results.js'
export type { RepeatConfig, RepeatResult } from './experiment/repeat.js'
export { type GridOptions, type GridTile, ImageGrid, makeGrid } from './image-grid/grid.js'
export type { PngOptions } from './image-grid/rasterize.js'
export { renderPredictions } from './image-grid/render-predictions.js'
export type { ArrayDataset, ArraySplit } from './native/arguments/arrays.js'
export type {
  ImageInput,
  Pixels,
  RawPixels,
  RawPixelsWithInfo,
} from './native/arguments/image.js'
export * from './native/generated.js'
export { type NamedPrediction, renderPredictionGallery } from './report/prediction-gallery.js'
