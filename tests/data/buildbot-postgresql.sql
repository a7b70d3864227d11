-- The tables of a Buildbot 4.3 master's database that we read, as pg_dump has them; keys to other tables are left out.
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.builders (
    id integer NOT NULL,
    name text NOT NULL,
    description text,
    description_format text,
    description_html text,
    projectid integer,
    name_hash character varying(40) NOT NULL
);
CREATE SEQUENCE public.builders_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.builders_id_seq OWNED BY public.builders.id;
ALTER TABLE ONLY public.builders ALTER COLUMN id SET DEFAULT nextval('public.builders_id_seq'::regclass);
CREATE TABLE public.tags (
    id integer NOT NULL,
    name text NOT NULL,
    name_hash character varying(40) NOT NULL
);
CREATE SEQUENCE public.tags_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.tags_id_seq OWNED BY public.tags.id;
ALTER TABLE ONLY public.tags ALTER COLUMN id SET DEFAULT nextval('public.tags_id_seq'::regclass);
CREATE TABLE public.builders_tags (
    id integer NOT NULL,
    builderid integer NOT NULL,
    tagid integer NOT NULL
);
CREATE SEQUENCE public.builders_tags_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.builders_tags_id_seq OWNED BY public.builders_tags.id;
ALTER TABLE ONLY public.builders_tags ALTER COLUMN id SET DEFAULT nextval('public.builders_tags_id_seq'::regclass);
CREATE TABLE public.builds (
    id integer NOT NULL,
    number integer NOT NULL,
    builderid integer NOT NULL,
    buildrequestid integer NOT NULL,
    workerid integer,
    masterid integer NOT NULL,
    started_at integer NOT NULL,
    complete_at integer,
    locks_duration_s integer NOT NULL,
    state_string text NOT NULL,
    results integer
);
CREATE SEQUENCE public.builds_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.builds_id_seq OWNED BY public.builds.id;
ALTER TABLE ONLY public.builds ALTER COLUMN id SET DEFAULT nextval('public.builds_id_seq'::regclass);
CREATE TABLE public.steps (
    id integer NOT NULL,
    number integer NOT NULL,
    name character varying(50) NOT NULL,
    buildid integer NOT NULL,
    started_at integer,
    locks_acquired_at integer,
    complete_at integer,
    state_string text NOT NULL,
    results integer,
    urls_json text NOT NULL,
    hidden smallint DEFAULT '0'::smallint NOT NULL
);
CREATE SEQUENCE public.steps_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.steps_id_seq OWNED BY public.steps.id;
ALTER TABLE ONLY public.steps ALTER COLUMN id SET DEFAULT nextval('public.steps_id_seq'::regclass);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.builders
    ADD CONSTRAINT builders_pkey PRIMARY KEY (id);
CREATE UNIQUE INDEX builder_name_hash ON public.builders USING btree (name_hash);
CREATE INDEX builders_projectid ON public.builders USING btree (projectid);
ALTER TABLE ONLY public.tags
    ADD CONSTRAINT tags_pkey PRIMARY KEY (id);
CREATE UNIQUE INDEX tag_name_hash ON public.tags USING btree (name_hash);
ALTER TABLE ONLY public.builders_tags
    ADD CONSTRAINT builders_tags_pkey PRIMARY KEY (id);
CREATE INDEX builders_tags_builderid ON public.builders_tags USING btree (builderid);
CREATE UNIQUE INDEX builders_tags_unique ON public.builders_tags USING btree (builderid, tagid);
ALTER TABLE ONLY public.builds
    ADD CONSTRAINT builds_pkey PRIMARY KEY (id);
CREATE INDEX builds_buildrequestid ON public.builds USING btree (buildrequestid);
CREATE INDEX builds_masterid ON public.builds USING btree (masterid);
CREATE UNIQUE INDEX builds_number ON public.builds USING btree (builderid, number);
CREATE INDEX builds_workerid ON public.builds USING btree (workerid);
ALTER TABLE ONLY public.steps
    ADD CONSTRAINT steps_pkey PRIMARY KEY (id);
CREATE UNIQUE INDEX steps_name ON public.steps USING btree (buildid, name);
CREATE UNIQUE INDEX steps_number ON public.steps USING btree (buildid, number);
CREATE INDEX steps_started_at ON public.steps USING btree (started_at);
ALTER TABLE ONLY public.builders_tags
    ADD CONSTRAINT builders_tags_builderid_fkey FOREIGN KEY (builderid) REFERENCES public.builders(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.builders_tags
    ADD CONSTRAINT builders_tags_tagid_fkey FOREIGN KEY (tagid) REFERENCES public.tags(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.builds
    ADD CONSTRAINT builds_builderid_fkey FOREIGN KEY (builderid) REFERENCES public.builders(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.steps
    ADD CONSTRAINT steps_buildid_fkey FOREIGN KEY (buildid) REFERENCES public.builds(id) ON DELETE CASCADE;
CREATE TABLE public.logs (
    id integer NOT NULL,
    name text NOT NULL,
    slug character varying(50) NOT NULL,
    stepid integer NOT NULL,
    complete smallint NOT NULL,
    num_lines integer NOT NULL,
    type character varying(1) NOT NULL
);
CREATE SEQUENCE public.logs_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.logs_id_seq OWNED BY public.logs.id;
ALTER TABLE ONLY public.logs ALTER COLUMN id SET DEFAULT nextval('public.logs_id_seq'::regclass);
ALTER TABLE ONLY public.logs
    ADD CONSTRAINT logs_pkey PRIMARY KEY (id);
CREATE UNIQUE INDEX logs_slug ON public.logs USING btree (stepid, slug);
ALTER TABLE ONLY public.logs
    ADD CONSTRAINT logs_stepid_fkey FOREIGN KEY (stepid) REFERENCES public.steps(id) ON DELETE CASCADE;
CREATE TABLE public.logchunks (
    logid integer NOT NULL,
    first_line integer NOT NULL,
    last_line integer NOT NULL,
    content bytea,
    compressed smallint NOT NULL
);
CREATE INDEX logchunks_firstline ON public.logchunks USING btree (logid, first_line);
CREATE INDEX logchunks_lastline ON public.logchunks USING btree (logid, last_line);
ALTER TABLE ONLY public.logchunks
    ADD CONSTRAINT logchunks_logid_fkey FOREIGN KEY (logid) REFERENCES public.logs(id) ON DELETE CASCADE;
CREATE TABLE public.builder_masters (
    id integer NOT NULL,
    builderid integer NOT NULL,
    masterid integer NOT NULL
);
ALTER TABLE ONLY public.builder_masters
    ADD CONSTRAINT builder_masters_pkey PRIMARY KEY (id);
CREATE UNIQUE INDEX builder_masters_identity ON public.builder_masters USING btree (builderid, masterid);
CREATE TABLE public.build_properties (
    buildid integer NOT NULL,
    name character varying(256) NOT NULL,
    value text NOT NULL,
    source character varying(256) NOT NULL
);
CREATE INDEX build_properties_buildid ON public.build_properties USING btree (buildid);
CREATE TABLE public.workers (
    id integer NOT NULL,
    name character varying(50) NOT NULL,
    info text NOT NULL,
    paused smallint DEFAULT '0'::smallint NOT NULL,
    pause_reason text,
    graceful smallint DEFAULT '0'::smallint NOT NULL
);
ALTER TABLE ONLY public.workers
    ADD CONSTRAINT workers_pkey PRIMARY KEY (id);
CREATE UNIQUE INDEX workers_name ON public.workers USING btree (name);
