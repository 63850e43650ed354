import { epoch } from './epoch.mjs'
import { eventLoop } from './event-loop.mjs'
import { firstStep } from './first-step.mjs'
import { growthCases } from './growth.mjs'
import { inference } from './inference.mjs'
import { jpegFolder } from './jpeg-folder.mjs'
import { lightness } from './lightness.mjs'
import { trainStep } from './train-step.mjs'

/** @type {readonly import('./case.mjs').Case[]} */
export const CASES = [
  ...trainStep,
  ...inference,
  jpegFolder,
  epoch,
  firstStep,
  eventLoop,
  lightness,
  ...growthCases,
]
