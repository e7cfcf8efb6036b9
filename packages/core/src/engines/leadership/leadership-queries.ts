/**
 * $1 duty, $2 holder, $3 lease in ms. A row: the duty is held, in this term. A holder whose lease had run out begins a
 * new term, since another may have led meanwhile.
 */
export const CLAIM_DUTY = `INSERT INTO tx.leaders AS l (duty, holder, term, lease_until)
VALUES ($1, $2, 1, clock_timestamp() + $3 * interval '1 millisecond')
ON CONFLICT (duty) DO UPDATE SET
  term = CASE WHEN l.holder = EXCLUDED.holder AND l.lease_until > clock_timestamp() THEN l.term ELSE l.term + 1 END,
  acquired_at = CASE WHEN l.holder = EXCLUDED.holder AND l.lease_until > clock_timestamp() THEN l.acquired_at ELSE clock_timestamp() END,
  holder = EXCLUDED.holder,
  lease_until = EXCLUDED.lease_until
WHERE l.holder = EXCLUDED.holder OR l.lease_until <= clock_timestamp()
RETURNING term`

/** $1 duty, $2 holder, $3 term. */
export const RESIGN_DUTY = 'UPDATE tx.leaders SET lease_until = clock_timestamp() WHERE duty = $1 AND holder = $2 AND term = $3'

/** $1 duty, $2 term. The lock keeps the duty where it is until the transaction ends: nobody can take it over in between. */
export const FENCE_TERM = 'SELECT 1 FROM tx.leaders WHERE duty = $1 AND term = $2 AND lease_until > clock_timestamp() FOR SHARE'

/** $1 duty. */
export const SELECT_LEADER = `SELECT holder, term, acquired_at AS "since", lease_until > clock_timestamp() AS active FROM tx.leaders WHERE duty = $1`
