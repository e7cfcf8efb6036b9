export { connectionUrls, type CloudUrl, type DockerUrl, type KubernetesUrl, type LocalUrl, type UrlParts } from './connection-urls.ts'
export { POOL_ALERT_LIMITS, POOL_DEGRADED_MS, poolAlerts, type PoolAlert, type PoolAlertLimits, type PoolAlertName, type PoolHealthMetrics } from './pool-health.ts'
export { advisePoolSize, concurrencyFactor, type PoolAdvice, type PoolLoad } from './pool-sizing.ts'
export { PoolsService, type ConnectionStats, type PoolHealth, type PoolReport, type PoolsReport, type ServerConnections } from './pools-service.ts'
