export { HEALTH_LIMITS, HealthService, type HealthCheck, type HealthLimits, type HealthReport, type HealthSources, type HealthStatus } from './health-service.ts'
