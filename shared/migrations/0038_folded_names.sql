-- Names are searched and sorted as people write them: without accents, case, width or typographic marks, whichever way they
-- were encoded, and inside names of scripts that put no blanks between words.

-- The one fold, of our own: the same under every locale, and what PostgreSQL's Unicode tables decompose. ASCII, the common case,
-- goes the short way.
CREATE FUNCTION folded(given text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    plain text;
BEGIN
    IF octet_length(given) = length(given) THEN
        RETURN left(lower(translate(given, '''`', '') COLLATE "C"), 200);
    END IF;
    -- marks: apostrophes go (O'Brien is O’Brien and OBrien), dashes, quotes, slashes and points become plain; signs of trade go
    plain := translate(
        given,
        '‐‑‒–—―−⁃﹘﹣－“”„‟«»‹›〝〞〟″‶⁄∕・·•､、，；：！？（）【】「」『』〈〉《》〔〕。．''’‘‚‛′‵ʹʻʼʽˈ´`＇™℠®©',
        '-----------"""""""""""""//     ,;:!?()()()()()()()..'
    );
    -- what is composed of a letter and marks, wide, narrow or joined becomes its plain letters; marks and what shows nothing go;
    -- what is no Latin, such as Korean syllables, is composed again
    plain := normalize(
        regexp_replace(
            normalize(plain, NFKD),
            '[\u0300-\u036f\u0483-\u0487\u0591-\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc'
            '\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f'
            '\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]',
            '',
            'g'
        ),
        NFC
    );
    plain := translate(
        plain,
        'ŁłØøĐđÐðĦħŦŧıĸςƉɖƵƶŊƁƂƄƆƇƊƋƎƏƐƑƓƔƖƗƘƜƝƟƢƤƦƧƩƬƮƱƲƳƷƸƼǤǶǷȜȠȢȤȺȻȽȾɁɃɄɅɆɈɊɌɎͰͲͶͿΑΒΓΔΕΖΗΘΙΚΛΜΝΞ'
        'ΟΠΡΣΤΥΦΧΨΩϏϘϚϜϞϠϢϤϦϨϪϬϮϷϺϽϾϿЂЄЅІЈЉЊЋЏАБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯѠѢѤѦѨѪѬѮѰѲѴѸѺѼѾҀҊҌҎҐҒҔ'
        'ҖҘҚҜҞҠҢҤҦҨҪҬҮҰҲҴҶҸҺҼҾӀӃӅӇӉӋӍӔӘӠӨӶӺӼӾԀԂԄԆԈԊԌԎԐԒԔԖԘԚԜԞԠԢԤԦԨԪԬԮԱԲԳԴԵԶԷԸԹԺԻԼԽԾԿՀՁՂՃՄՅՆՇՈՉՊՋՌՍՎ'
        'ՏՐՑՒՓՔՕՖ',
        'llooddddhhttikσddzzŋɓƃƅɔƈɗƌǝəɛƒɠɣɩɨƙɯɲɵƣƥʀƨʃƭʈʊʋƴʒƹƽǥƕƿȝƞȣȥⱥȼƚⱦɂƀʉʌɇɉɋɍɏͱͳͷϳαβγδεζηθικλμνξ'
        'οπρστυφχψωϗϙϛϝϟϡϣϥϧϩϫϭϯϸϻͻͼͽђєѕіјљњћџабвгдежзиклмнопрстуфхцчшщъыьэюяѡѣѥѧѩѫѭѯѱѳѵѹѻѽѿҁҋҍҏґғҕ'
        'җҙқҝҟҡңҥҧҩҫҭүұҳҵҷҹһҽҿӏӄӆӈӊӌӎӕәӡөӷӻӽӿԁԃԅԇԉԋԍԏԑԓԕԗԙԛԝԟԡԣԥԧԩԫԭԯաբգդեզէըթժիլխծկհձղճմյնշոչպջռսվ'
        'տրցւփքօֆ'
    );
    plain := replace(replace(replace(replace(plain, 'ß', 'ss'), 'ẞ', 'ss'), 'Æ', 'ae'), 'æ', 'ae');
    plain := replace(replace(replace(replace(plain, 'Œ', 'oe'), 'œ', 'oe'), 'Þ', 'th'), 'þ', 'th');
    RETURN left(lower(replace(plain, '''', '') COLLATE "C"), 200);
END
$$;

-- A folded text's words, in their order.
CREATE FUNCTION words_in(plain text) RETURNS TABLE (word text) LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT left(part, 40)
    FROM regexp_split_to_table(
        plain,
        '[][[:space:]!-/:-@\\^_`{|}~\u00a0-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7'
        '\u2010-\u205e\u2190-\u2bff\u3001-\u3004\u3008-\u301f]+'
    ) AS part
    WHERE part <> ''
$$;

-- What of a text can be looked for: its words; a word with an apostrophe in it also by its parts (d'Acier: dacier, d, acier). The
-- id first, so that it is found by however long a name.
CREATE OR REPLACE FUNCTION words_of(name text, account text) RETURNS TABLE (word text) LANGUAGE sql IMMUTABLE AS $$
    SELECT said.word
    FROM (
        SELECT found.word, min(given.place * 1000 + found.place) AS place
        FROM (
            VALUES
                (1, folded(account)),
                (2, folded(coalesce(name, ''))),
                (3, CASE WHEN name ~ '[''’‘‚‛′‵ʹʻʼʽˈ´`＇]' THEN folded(regexp_replace(name, '[''’‘‚‛′‵ʹʻʼʽˈ´`＇]', ' ', 'g')) END)
        ) AS given (place, plain)
        CROSS JOIN LATERAL words_in(given.plain) WITH ORDINALITY AS found (word, place)
        GROUP BY found.word
        ORDER BY 2
        LIMIT 30
    ) AS said
$$;

-- A word, and where its script has no blanks between words, what begins at each of its letters: 上海钢管 is found by 钢管.
CREATE FUNCTION beginnings_of(word text) RETURNS TABLE (beginning text) LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT word
    UNION
    SELECT substr(word, place)
    FROM generate_series(2, CASE WHEN octet_length(word) = length(word) THEN 1 ELSE length(word) END) AS place
    WHERE substr(word, place - 1, 2)
        ~ '[\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3040-\u31ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003fffd]'
$$;

-- `words` has each word once; the table, what words begin with.
CREATE OR REPLACE FUNCTION note_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        DELETE FROM account_words WHERE organization = NEW.organization AND account = NEW.account;
    END IF;
    INSERT INTO account_words (organization, account, word)
    SELECT DISTINCT NEW.organization, NEW.account, beginning
    FROM unnest(string_to_array(ltrim(NEW.words, ' '), ' ')) AS word
    CROSS JOIN LATERAL beginnings_of(word);
    RETURN NULL;
END
$$;

-- Sorted by the fold, in the root order of ICU (that of Unicode, the same for every language) where PostgreSQL was built with it.
-- The indexes that hold the column go with it.
ALTER TABLE accounts DROP COLUMN sort_name;

DO $$
DECLARE
    root text := coalesce((SELECT max(collname) FROM pg_collation WHERE collname = 'und-x-icu' AND collprovider = 'i'), 'C');
BEGIN
    EXECUTE format(
        'ALTER TABLE accounts ADD COLUMN sort_name text COLLATE %I NOT NULL '
        'GENERATED ALWAYS AS (folded(coalesce(nullif(name, ''''), account))) STORED',
        root
    );
END
$$;

SET LOCAL ROLE winback_worker;
UPDATE accounts a
SET words = said.words
FROM (
    SELECT
        organization,
        account,
        coalesce((SELECT ' ' || string_agg(word, ' ') FROM words_of(name, account)), '') AS words
    FROM accounts
    WHERE octet_length(coalesce(name, '') || account) <> length(coalesce(name, '') || account)
        OR strpos(coalesce(name, '') || account, '''') > 0
        OR length(name) > 40
) AS said
WHERE a.organization = said.organization
  AND a.account = said.account;

DELETE FROM account_words w
USING accounts a
WHERE a.organization = w.organization
  AND a.account = w.account
  AND (
    octet_length(coalesce(a.name, '') || a.account) <> length(coalesce(a.name, '') || a.account)
    OR strpos(coalesce(a.name, '') || a.account, '''') > 0
    OR length(a.name) > 40
  );

INSERT INTO account_words (organization, account, word)
SELECT DISTINCT a.organization, a.account, b.beginning
FROM accounts a
CROSS JOIN LATERAL unnest(string_to_array(ltrim(a.words, ' '), ' ')) AS word
CROSS JOIN LATERAL beginnings_of(word) AS b
WHERE octet_length(coalesce(a.name, '') || a.account) <> length(coalesce(a.name, '') || a.account)
   OR strpos(coalesce(a.name, '') || a.account, '''') > 0
   OR length(a.name) > 40;
RESET ROLE;

-- With the words in it, a walk along the names tests them without looking at the accounts.
CREATE INDEX accounts_by_name ON accounts (organization, sort_name, account) INCLUDE (words);
CREATE INDEX accounts_flagged_by_name ON accounts (organization, sort_name, account)
    WHERE dormant + lapse + cherry_picking > 0;
CREATE INDEX accounts_by_owner ON accounts (organization, owner, account)
    INCLUDE (
        sort_name, last_ordered_on, lifetime_cents, at_stake_cents,
        dormant, lapse, cherry_picking, enrollment, paused_until, lost_at
    );
CREATE INDEX accounts_flagged ON accounts (organization, at_stake_cents, account)
    INCLUDE (sort_name, last_ordered_on, lifetime_cents, dormant, lapse, cherry_picking, owner, enrollment, paused_until, lost_at)
    WHERE dormant + lapse + cherry_picking > 0;
