import { epoch } from './epoch.mjs'
import { eventLoop } from './event-loop.mjs'
import { firstStep } from './first-step.mjs'
import { footprint } from './footprint.mjs'
import { inference } from './inference.mjs'
import { jpegFolder } from './jpeg-folder.mjs'
import { scalingCases } from './scaling.mjs'
import { trainStep } from './train-step.mjs'

/** @type {readonly import('./case.mjs').Case[]} */
export const CASES = [
  ...trainStep,
  ...inference,
  jpegFolder,
  epoch,
  firstStep,
  eventLoop,
  footprint,
  ...scalingCases,
]
