"""Prints rows of `logchunks` as Buildbot 4.3.0's own compressors write them, for the tests of
src/domain/log_text: the codec, the content and the text, in hexadecimal. Needs buildbot==4.3.0,
lz4, zstandard and brotli. `python3 log-chunks.py > log-chunks.txt` writes the file anew."""

from buildbot.db.logs import LogsConnectorComponent

# Lines as a step writes them, with colours, characters of several bytes, and repetition.
TEXT = 'hmake -j2\n' + ''.join(
    f'o\x1b[32m   Compiling\x1b[0m crate-{n} v0.{n}.0 (größer ✓)\n' for n in range(20)
) + 'eerror: no such file\nhprogram finished with exit code 2'

for number, compressor in sorted(LogsConnectorComponent.COMPRESSION_BYID.items()):
    packer = compressor.CompressObj()
    data = TEXT.encode()
    # As `appendLog` does: line by line.
    content = b''.join(packer.compress(line) for line in data.splitlines(True)) + packer.flush()
    assert compressor.read(content) == data
    # The other way that Buildbot has, where it merges chunks.
    for stored in dict.fromkeys([content, compressor.dumps(data)]):
        print(number, stored.hex(), data.hex())
