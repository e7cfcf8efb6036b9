import pino from 'pino'

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export const LOG_FORMATS = ['pretty', 'json'] as const
export type LogFormat = (typeof LOG_FORMATS)[number]

/** The process's logger, on stdout unless `fd` is 2. Written at once: what was logged before a crash is not lost. */
export async function makeLogger(level: string, format: LogFormat, fd: 1 | 2 = 1): Promise<pino.Logger> {
  if (format === 'json') return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination({ fd, sync: true }))
  const { default: pretty } = await import('pino-pretty')
  return pino({ level, base: null }, pretty({ colorize: process.stdout.isTTY, destination: fd, sync: true, translateTime: 'SYS:HH:MM:ss.l', ignore: 'pid,hostname', singleLine: true }))
}
