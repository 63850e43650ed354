import { PREBUILT_PLATFORMS, platformName } from '../../src/native/prebuilt-platforms.js'

/** @typedef {import('../../src/native/prebuilt-platforms.js').Platform} Platform */

/**
 * Name of the platform that the addons are built for on this machine. Builds on Linux use glibc: no
 * libtorch exists for musl.
 */
export const PLATFORM_NAME = platformName({ os: process.platform, cpu: process.arch }, true)

/**
 * Row of the platform table for this machine. On an unsupported machine, the row of linux-x64-gnu
 * stands in until set-up has reported the problem.
 *
 * @type {Platform}
 */
export const PLATFORM =
  PREBUILT_PLATFORMS[PLATFORM_NAME] ?? /** @type {Platform} */ (PREBUILT_PLATFORMS['linux-x64-gnu'])

/** Whether this machine has a row in the platform table. */
export const IS_SUPPORTED = PLATFORM_NAME in PREBUILT_PLATFORMS

/** Target triple that cargo builds for. */
export const RUST_TARGET = PLATFORM.rustTarget
