import type { CairnOptions } from '@cairn/core'
import { type Command, InvalidArgumentError } from 'commander'

/** Which engines and whose data; the same flags on every command that opens Cairn. */
export interface EngineFlags {
  readonly postgres?: string
  readonly nats?: string
  readonly dataDir?: string
  readonly tenant?: string
}

/** Flags of the commands that work on a running server as well. */
export interface ClientFlags extends EngineFlags {
  readonly server?: string
  readonly json?: boolean
}

export function withEngineFlags(command: Command): Command {
  return command
    .option('--postgres <url>', 'PostgreSQL, postgres://user:password@host:5432/database (default: DATABASE_URL or PG_*, else PGlite)')
    .option('--nats <url>', 'nats-server, nats://host:4222; several with commas (default: NATS_URL, else LMDB)')
    .option('--data-dir <dir>', 'where the embedded engines keep their data (default: CAIRN_DATA_DIR or .cairn)')
    .option('--tenant <t>', "whose data (default: CAIRN_TENANT or 'default')")
}

export function withClientFlags(command: Command): Command {
  return withEngineFlags(command)
    .option('--server <url>', 'work through a running Cairn, e.g. http://127.0.0.1:4100 (default: CAIRN_SERVER, or the one that has the data directory open)')
    .option('--json', 'print JSON')
}

/** The options that the flags give, and no others: the library adds environment, file and defaults. */
export function optionsFromFlags(flags: EngineFlags): CairnOptions {
  return {
    ...(flags.postgres === undefined ? {} : { postgres: flags.postgres }),
    ...(flags.nats === undefined ? {} : { nats: flags.nats }),
    ...(flags.dataDir === undefined ? {} : { dataDir: flags.dataDir }),
    ...(flags.tenant === undefined ? {} : { tenant: flags.tenant }),
  }
}

/** A number from 0 to 1, for `.option(…, …, fraction)`. */
export function fraction(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !(value >= 0 && value <= 1)) throw new InvalidArgumentError('It must be a number from 0 to 1.')
  return value
}

/** A whole number from `least` to `most`, for `.option(…, …, wholeNumber(1, 10))`. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (text.trim() === '' || !Number.isInteger(value) || value < least || value > most) throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`)
    return value
  }
}
