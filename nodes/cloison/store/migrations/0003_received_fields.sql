-- The names a kept release was asked for, one a line. Of one kept before this they are not known, and
-- it is handed back to nobody.
ALTER TABLE received ADD COLUMN fields TEXT NOT NULL DEFAULT '';
