/** What `cairn` ends with. Codes of single commands stand in their own help. */
export const EXIT = { ok: 0, failed: 1, usage: 2, attention: 3, interrupted: 130, terminated: 143 } as const

export const EXIT_CODES_HELP = `Exit codes:
  0    done
  1    it failed; the error on stderr has a code that docs/errors.md explains
  2    wrong usage: an unknown or malformed option or argument, or a confirmation that was not given
  3    something deserves attention: \`doctor --strict\` found warnings, \`migrate status --exit-code\` found pending migrations
  130  stopped by Ctrl-C (SIGINT) before it was done
  143  stopped by SIGTERM before it was done`

export const PRECEDENCE_HELP = `Where options come from: flag > environment > cairn.config.json (or the file CAIRN_CONFIG names) > default.
Environment: DATABASE_URL or PG_*, NATS_URL or NATS_*, CAIRN_DATA_DIR, CAIRN_TENANT, CAIRN_SERVER, CAIRN_PORT,
CAIRN_HOST, CAIRN_LOG_LEVEL; CAIRN_DEBUG=1 (like --verbose) adds the stack to an error.`
