# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: Apache-2.0
#
# For scripts that fetch packages of the distribution for tests, from components and suites that this machine need not
# be set up for. Nothing is installed: packages are unpacked. A script sets
#
#   instead   what to do where that does not work, for messages
#   work      a folder of its own, before it calls unpack
#
# and gets $distribution and $codename of this machine, say, die and unpack.

say() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }
die() { say "$*"; exit 1; }

command -v apt-get >/dev/null || die "this needs apt-get (Debian or Ubuntu); $instead"
# shellcheck source=/dev/null
distribution=$(. /etc/os-release && echo "$ID") codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
case $distribution in
debian) components="main contrib non-free" ;;
ubuntu) components="main universe multiverse restricted" ;;
*) die "$distribution is not known here: $instead" ;;
esac

# source_files prints the apt source files of this machine.
source_files() {
	local files=() f
	for f in /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list /etc/apt/sources.list; do
		[ -s "$f" ] && files+=("$f")
	done
	[ ${#files[@]} -gt 0 ] && printf '%s\n' "${files[@]}"
}

# derive_source SUITE DIR writes an apt source for SUITE under DIR: the entry by
# which this machine reaches its own release, with its mirror, keys and options,
# but with another suite and with the components where CUDA is. It prints the
# file's name.
derive_source() {
	local suite=$1 dir=$2 f
	while read -r f; do
		case $f in
		*.sources)
			# A deb822 stanza ends at an empty line; a field may go on over
			# indented lines, as an embedded key does.
			awk -v own="$codename" -v suite="$suite" -v components="$components" '
				function flush(  i, field, keep) {
					if (types ~ /(^| )deb( |$)/ && (" " suites " ") ~ (" " own " ") && !disabled) {
						keep = 1
						for (i = 1; i <= n; i++) {
							field = line[i]
							if (field ~ /^[ \t]/) { if (keep) print field; continue }
							keep = tolower(field) !~ /^(types|suites|components|#)/
							if (keep) print field
						}
						print "Types: deb\nSuites: " suite "\nComponents: " components
						done = 1
						exit
					}
					n = 0; types = suites = ""; disabled = 0
				}
				/^[ \t]*$/ { flush(); next }
				/^#/ { next }
				{ line[++n] = $0 }
				tolower($1) == "types:" { $1 = ""; types = $0 }
				tolower($1) == "suites:" { $1 = ""; suites = $0 }
				tolower($1) == "enabled:" && tolower($2) == "no" { disabled = 1 }
				END { if (!done) flush() }
			' "$f" >"$dir/derived.sources"
			if [ -s "$dir/derived.sources" ]; then
				echo "$dir/derived.sources"
				return
			fi
			;;
		*)
			awk -v own="$codename" -v suite="$suite" -v components="$components" '
				$1 != "deb" { next }
				{
					options = ""
					if (match($0, /\[[^]]*\]/)) {
						options = substr($0, RSTART, RLENGTH) " "
						$0 = "deb " substr($0, RSTART + RLENGTH)
					}
				}
				$3 == own { print "deb " options $2 " " suite " " components; exit }
			' "$f" >"$dir/derived.list"
			if [ -s "$dir/derived.list" ]; then
				echo "$dir/derived.list"
				return
			fi
			;;
		esac
	done < <(source_files)
	die "no apt source for $codename found under /etc/apt: add one for the release that this machine runs"
}

# private_apt SUITE prepares an apt whose state is its own, once per suite. With
# an empty status file the candidates are those of the suite, whatever this
# machine has installed.
private_apt() {
	local suite=$1 state=$work/apt-$1
	[ -d "$state" ] && return
	mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
	: >"$state/status"
	derive_source "$suite" "$state" >"$state/source"
	say "reading the package lists of $suite"
	apt "$suite" update -qq
}

# apt SUITE ARG... runs apt-get on the private state of a suite.
apt() {
	local suite=$1 state=$work/apt-$1
	shift
	apt-get -q \
		-o Dir::Etc::SourceList="$(cat "$state/source")" \
		-o Dir::Etc::SourceParts=/dev/null \
		-o Dir::State="$state" \
		-o Dir::State::Lists="$state/lists" \
		-o Dir::State::Status="$state/status" \
		-o Dir::Cache="$state/cache" \
		-o APT::Sandbox::User="$(id -un)" \
		-o Acquire::Languages=none \
		-o Acquire::Retries=3 \
		"$@"
}

# unpack SUITE DIR PACKAGE... downloads packages and unpacks them under DIR, one
# at a time to need little disk, without what no test links. A name that ends in
# "?" may be absent: some releases have its content in another package.
unpack() {
	local suite=$1 dir=$2 package downloads=$work/downloads
	shift 2
	private_apt "$suite"
	mkdir -p "$downloads" "$dir"
	for package in "$@"; do
		case $package in
		*\?)
			package=${package%\?}
			apt "$suite" download --print-uris "$package" >/dev/null 2>&1 || continue
			;;
		esac
		say "fetching $package from $suite"
		(cd "$downloads" && apt "$suite" download -qq "$package") ||
			die "could not download $package of $suite: check the network and the mirror in /etc/apt"
		dpkg-deb --fsys-tarfile "$downloads"/*.deb | tar -x -C "$dir" --no-wildcards-match-slash \
			--exclude='./usr/lib/*/lib[!c]*_static*.a' \
			--exclude='./usr/lib/*/libcu[!d]*_static*.a' \
			--exclude='./usr/lib/*/libcufilt.a' \
			--exclude=./usr/share/doc --exclude=./usr/share/man
		rm -f "$downloads"/*.deb
	done
}
