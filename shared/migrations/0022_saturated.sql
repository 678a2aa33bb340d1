-- A sum over orders as it is kept: one beyond 2^62 - 1 minor units stays there, and never overflows a bigint.
-- shared.domain.money says the same in Python, and a test holds the two together.
CREATE FUNCTION saturated(cents numeric) RETURNS numeric
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN least(greatest(cents, -4611686018427387903), 4611686018427387903);
