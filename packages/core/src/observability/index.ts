export { SILENT_LOGGER, type Logger } from './logger.ts'
