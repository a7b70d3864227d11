-- The tables of a Buildbot 4.3 master's database that we read, as MariaDB dumps them; keys to other tables are left out.
CREATE TABLE `alembic_version` (
  `version_num` varchar(32) NOT NULL,
  PRIMARY KEY (`version_num`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci;
CREATE TABLE `builders` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `name` text NOT NULL,
  `description` text DEFAULT NULL,
  `description_format` text DEFAULT NULL,
  `description_html` text DEFAULT NULL,
  `projectid` int(11) DEFAULT NULL,
  `name_hash` varchar(40) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `builder_name_hash` (`name_hash`),
  KEY `builders_projectid` (`projectid`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci;
CREATE TABLE `tags` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `name` text NOT NULL,
  `name_hash` varchar(40) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `tag_name_hash` (`name_hash`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci;
CREATE TABLE `builders_tags` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `builderid` int(11) NOT NULL,
  `tagid` int(11) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `builders_tags_unique` (`builderid`,`tagid`),
  KEY `tagid` (`tagid`),
  KEY `builders_tags_builderid` (`builderid`),
  CONSTRAINT `builders_tags_ibfk_1` FOREIGN KEY (`builderid`) REFERENCES `builders` (`id`) ON DELETE CASCADE,
  CONSTRAINT `builders_tags_ibfk_2` FOREIGN KEY (`tagid`) REFERENCES `tags` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci;
CREATE TABLE `builds` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `number` int(11) NOT NULL,
  `builderid` int(11) NOT NULL,
  `buildrequestid` int(11) NOT NULL,
  `workerid` int(11) DEFAULT NULL,
  `masterid` int(11) NOT NULL,
  `started_at` int(11) NOT NULL,
  `complete_at` int(11) DEFAULT NULL,
  `locks_duration_s` int(11) NOT NULL,
  `state_string` text NOT NULL,
  `results` int(11) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `builds_number` (`builderid`,`number`),
  KEY `builds_buildrequestid` (`buildrequestid`),
  KEY `builds_masterid` (`masterid`),
  KEY `builds_workerid` (`workerid`),
  CONSTRAINT `builds_ibfk_1` FOREIGN KEY (`builderid`) REFERENCES `builders` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci;
CREATE TABLE `steps` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `number` int(11) NOT NULL,
  `name` varchar(50) NOT NULL,
  `buildid` int(11) NOT NULL,
  `started_at` int(11) DEFAULT NULL,
  `locks_acquired_at` int(11) DEFAULT NULL,
  `complete_at` int(11) DEFAULT NULL,
  `state_string` text NOT NULL,
  `results` int(11) DEFAULT NULL,
  `urls_json` text NOT NULL,
  `hidden` smallint(6) NOT NULL DEFAULT 0,
  PRIMARY KEY (`id`),
  UNIQUE KEY `steps_number` (`buildid`,`number`),
  UNIQUE KEY `steps_name` (`buildid`,`name`),
  KEY `steps_started_at` (`started_at`),
  CONSTRAINT `steps_ibfk_1` FOREIGN KEY (`buildid`) REFERENCES `builds` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci;
CREATE TABLE `logs` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `name` text NOT NULL,
  `slug` varchar(50) NOT NULL,
  `stepid` int(11) NOT NULL,
  `complete` smallint(6) NOT NULL,
  `num_lines` int(11) NOT NULL,
  `type` varchar(1) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `logs_slug` (`stepid`,`slug`),
  CONSTRAINT `logs_ibfk_1` FOREIGN KEY (`stepid`) REFERENCES `steps` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci;
CREATE TABLE `logchunks` (
  `logid` int(11) NOT NULL,
  `first_line` int(11) NOT NULL,
  `last_line` int(11) NOT NULL,
  `content` mediumblob DEFAULT NULL,
  `compressed` smallint(6) NOT NULL,
  KEY `logchunks_firstline` (`logid`,`first_line`),
  KEY `logchunks_lastline` (`logid`,`last_line`),
  CONSTRAINT `logchunks_ibfk_1` FOREIGN KEY (`logid`) REFERENCES `logs` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci;
CREATE TABLE `builder_masters` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `builderid` int(11) NOT NULL,
  `masterid` int(11) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `builder_masters_identity` (`builderid`,`masterid`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci;
CREATE TABLE `build_properties` (
  `buildid` int(11) NOT NULL,
  `name` varchar(256) NOT NULL,
  `value` text NOT NULL,
  `source` varchar(256) NOT NULL,
  KEY `build_properties_buildid` (`buildid`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci;
CREATE TABLE `workers` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `name` varchar(50) NOT NULL,
  `info` text NOT NULL,
  `paused` smallint(6) NOT NULL DEFAULT 0,
  `pause_reason` text DEFAULT NULL,
  `graceful` smallint(6) NOT NULL DEFAULT 0,
  PRIMARY KEY (`id`),
  UNIQUE KEY `workers_name` (`name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci;
