--! version: 0.40.0
--! name: message_claims
--! description: A delivery knows by which claim it was taken, so that a claim whose answer was lost can be undone
--! type: schema
--! depends_on: 0.39.0
--! breaking: false

--! up
ALTER TABLE messages.deliveries ADD COLUMN claim_token bigint;

--! down
ALTER TABLE messages.deliveries DROP COLUMN claim_token;
