/**
 * Returns whether this process trains by the commands of another one, as the environment variables of
 * `torchrun` say: rank 0 alone writes the run folder and the report, and prints the progress.
 */
export function followsAnotherProcess(): boolean {
  return Number(process.env.WORLD_SIZE) > 1 && Number(process.env.RANK) > 0
}
