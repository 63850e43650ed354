import { parseArgs } from 'node:util'
import { PREBUILT_PLATFORMS, platformName } from '../../src/native/prebuilt-platforms.js'

/** @typedef {import('../../src/native/prebuilt-platforms.js').Platform} Platform */

/** Name of the platform of this machine. Builds on Linux use glibc: no libtorch exists for musl. */
export const HOST_NAME = platformName({ os: process.platform, cpu: process.arch }, true)

const { values } = parseArgs({ options: { platform: { type: 'string' } }, strict: false })

/** Name of the platform that is built for: `--platform NAME`, by default that of this machine. */
export const PLATFORM_NAME = typeof values.platform === 'string' ? values.platform : HOST_NAME

/** Whether the addons are built for another platform than that of this machine. */
export const IS_CROSS = PLATFORM_NAME !== HOST_NAME

/** Whether the platform has a row in the platform table. */
export const IS_SUPPORTED = PLATFORM_NAME in PREBUILT_PLATFORMS

/**
 * Row of the platform table that is built for. For an unsupported platform, the row of
 * linux-x64-gnu stands in until set-up has reported the problem.
 *
 * @type {Platform}
 */
export const PLATFORM =
  PREBUILT_PLATFORMS[PLATFORM_NAME] ?? /** @type {Platform} */ (PREBUILT_PLATFORMS['linux-x64-gnu'])
