// Sinsang for iOS, macOS and Linux: copy this file into an app and change what does not suit it.
//
// It needs Foundation alone. URLSession's own cache remembers answers and asks for them with
// If-None-Match. tests/client/native.test.mjs holds the fields to the contract, www/openapi.json.

import Foundation
#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

// What answers hold. Fields that only previews get are left out; cards (`view=card`) lack some.

public struct Snapshot: Codable, Sendable {
    public var id, builtAt: String
    public var ageS: Int
    /// Where the answer stands: `isolate`, `kv`, `stale`, `cache` or `bundle`.
    public var rung: String
    enum CodingKeys: String, CodingKey { case id, builtAt = "built_at", ageS = "age_s", rung }
}

public struct Listing: Codable, Sendable {
    public var shop, listingId: String
    enum CodingKeys: String, CodingKey { case shop, listingId = "listing_id" }
}

public struct Channel: Codable, Sendable { public var id, name: String }

public struct Earlier: Codable, Sendable {
    public var shop, listingId, channel, startsAt, title: String
    enum CodingKeys: String, CodingKey { case shop, listingId = "listing_id", channel, startsAt = "starts_at", title }
}

public struct NearestOther: Codable, Sendable {
    public var shop, listingId, title, why: String
    enum CodingKeys: String, CodingKey { case shop, listingId = "listing_id", title, why }
}

public struct Evidence: Codable, Sendable {
    public var reason: String
    /// The reason for people, in Korean.
    public var text: String
    public var historyDays, shopHistoryDays: Int
    public var reviewCount: Int?
    public var airedProbability: Double?
    public var earlier: Earlier?
    public var nearest: NearestOther?
    enum CodingKeys: String, CodingKey {
        case reason, text, historyDays = "history_days", shopHistoryDays = "shop_history_days"
        case reviewCount = "review_count", airedProbability = "aired_probability", earlier, nearest
    }
}

public struct Verdict: Codable, Sendable { public var kind: String, evidence: Evidence? }

public struct Broadcast: Codable, Sendable {
    public var shop, listingId: String?
    public var channel: Channel
    public var startsAt, endsAt: String
    public var price: Int?
    public var soldOut: Bool?
    public var onAir: Bool
    enum CodingKeys: String, CodingKey {
        case shop, listingId = "listing_id", channel, startsAt = "starts_at", endsAt = "ends_at", price
        case soldOut = "sold_out", onAir = "on_air"
    }
}

/// A product that was never broadcast before.
public struct NewItem: Codable, Sendable {
    public var productId, title: String
    public var brand, category: String?
    public var price, listPrice: Int?
    public var image, url: String?
    public var listings: [Listing]?
    public var soldOut: Bool?
    public var note: String?
    public var verdict: Verdict
    public var onAir: Bool
    public var broadcasts: [Broadcast]
    enum CodingKeys: String, CodingKey {
        case productId = "product_id", title, brand, category, price, listPrice = "list_price", image, url, listings
        case soldOut = "sold_out", note, verdict, onAir = "on_air", broadcasts
    }
}

/// A broadcast with its product, on air or of the schedule.
public struct LiveItem: Codable, Sendable {
    public var productId, title: String
    public var brand, category: String?
    public var price, listPrice: Int?
    public var image, url: String?
    public var listings: [Listing]?
    public var soldOut: Bool?
    public var note: String?
    public var verdict: Verdict
    public var onAir: Bool
    public var broadcast: Broadcast
    enum CodingKeys: String, CodingKey {
        case productId = "product_id", title, brand, category, price, listPrice = "list_price", image, url, listings
        case soldOut = "sold_out", note, verdict, onAir = "on_air", broadcast
    }
}

public struct Tab: Codable, Sendable {
    public var tabId, label: String
    public var pinned: Bool
    public var target: String?
    public var position: Int
    enum CodingKeys: String, CodingKey { case tabId = "tab_id", label, pinned, target, position }
}

/// What is on air, or the top tabs.
public struct Surface<Item: Codable & Sendable>: Codable, Sendable {
    public var personalized: Bool
    public var snapshot: Snapshot
    public var experiments: [String: String]?
    public var items: [Item]
}

/// A page of a list.
public struct Page<Item: Codable & Sendable>: Codable, Sendable {
    public var personalized: Bool
    public var snapshot: Snapshot
    public var experiments: [String: String]?
    public var total: Int
    public var items: [Item]
    public var nextCursor: String?
    public var interrupted: Bool?
    enum CodingKeys: String, CodingKey {
        case personalized, snapshot, experiments, total, items, nextCursor = "next_cursor", interrupted
    }
}

public struct HomePart<Item: Codable & Sendable>: Codable, Sendable { public var items: [Item] }

public struct HomeNew: Codable, Sendable {
    public var total: Int
    public var items: [NewItem]
    public var nextCursor: String?
    enum CodingKeys: String, CodingKey { case total, items, nextCursor = "next_cursor" }
}

public struct Home: Codable, Sendable {
    public var personalized: Bool
    public var snapshot: Snapshot
    public var experiments: [String: String]?
    public var tabs: HomePart<Tab>
    public var live: HomePart<LiveItem>
    public var new: HomeNew
}

/// A problem document; `/problems/invalid-parameter` for example names the parameter.
public struct Problem: Codable, Sendable {
    public var type, title: String
    public var status: Int
    public var detail, parameter: String?
}

/// What a viewer did: `Event(kind: "click", surface: "new", position: 3, productId: id)`.
public struct Event: Codable, Sendable {
    public var eventId = UUID().uuidString
    public var kind: String
    public var at = ISO8601DateFormatter().string(from: Date())
    public var surface: String?
    public var position, amount: Int?
    public var productId, listingId, shop, tabId, channel: String?
    public var experiments: [String: String]?
    public var experiment, variant, snapshot: String?
    enum CodingKeys: String, CodingKey {
        case eventId = "event_id", kind, at, surface, position, amount, productId = "product_id"
        case listingId = "listing_id", shop, tabId = "tab_id", channel, experiments, experiment, variant, snapshot
    }
}

public struct EventBatch: Codable, Sendable {
    public var events: [Event]
    public var device, token: String?
}

public struct Refused: Codable, Sendable {
    public var index: Int
    public var field: String?
    public var reason: String
}

public struct Accepted: Codable, Sendable {
    public var accepted: Int
    public var refused: [Refused]
}

/// An answer; `isStale` where there is none at present and it is an earlier one.
public struct Answer<Body: Sendable>: Sendable {
    public let body: Body
    public let isStale: Bool
}

/// Why there is no answer: `status` is 0 where nobody answered.
public struct SinsangError: Error {
    public var status = 0
    public var problem: Problem?
    public var retryAfter: TimeInterval?

    /// Whether the same request may succeed later.
    public var isPassing: Bool { status == 0 || status == 429 || (502...504).contains(status) }
    /// Whether a list's cursor serves no more.
    var isLost: Bool { status == 410 || (status == 400 && problem?.parameter == "cursor") }
}

/// Asks Sinsang's surfaces. `folder` is the app's own: the device's id and events that wait lie
/// there. `token` gives the viewer's token or nil, and is asked again with a refused one.
public actor Sinsang {
    static let attempts = 3, mostSaved = 10.0
    /// No attempt begins later than `totalLimit`.
    static let attemptLimit: TimeInterval = 4, totalLimit: TimeInterval = 12

    private let base: URL
    private let folder: URL
    private let token: @Sendable (_ refused: String?) async -> String?
    private let cache: URLCache
    private let session: URLSession
    private lazy var device: String = deviceId()
    /// Retries that are saved up: each request earns a tenth, so that an outage is not amplified.
    private var saved = Sinsang.mostSaved

    public init(
        base: URL, folder: URL, token: @escaping @Sendable (_ refused: String?) async -> String? = { _ in nil }
    ) {
        (self.base, self.folder, self.token) = (base, folder, token)
        let cache = URLCache(memoryCapacity: 4_000_000, diskCapacity: 20_000_000)
        self.cache = cache
        let configuration = URLSessionConfiguration.default
        configuration.urlCache = cache
        configuration.timeoutIntervalForResource = Sinsang.attemptLimit
        configuration.httpCookieStorage = nil
        session = URLSession(configuration: configuration)
    }

    public func home(limit: Int = 20) async throws -> Answer<Home> { try await get("home", ["limit": "\(limit)"]) }

    public func live() async throws -> Answer<Surface<LiveItem>> { try await get("live") }

    public func tabs() async throws -> Answer<Surface<Tab>> { try await get("tabs") }

    /// The new products, page by page as they are looped over.
    public nonisolated func new(_ query: [String: String] = [:]) -> ItemList<NewItem> {
        ItemList(sinsang: self, path: "new", query: query) { $0.productId }
    }

    /// The broadcasts of a Korean day, `2026-11-22`.
    public nonisolated func schedule(date: String, _ query: [String: String] = [:]) -> ItemList<LiveItem> {
        ItemList(sinsang: self, path: "schedule", query: query.merging(["date": date]) { $1 }) {
            "\($0.productId) \($0.broadcast.startsAt) \($0.broadcast.channel.id) \($0.broadcast.listingId ?? "")"
        }
    }

    /// Forgets all answers: call it when the viewer signs in or out.
    public func forget() { cache.removeAllCachedResponses() }

    func get<Body: Codable & Sendable>(
        _ path: String, _ query: [String: String] = [:], isFresh: Bool = false
    ) async throws -> Answer<Body> {
        var parts = URLComponents(url: base.appendingPathComponent("v1/\(path)"), resolvingAgainstBaseURL: false)!
        if !query.isEmpty { parts.queryItems = query.map { URLQueryItem(name: $0.key, value: $0.value) } }
        // A `+` stays as it is here, and would be read as a blank.
        parts.percentEncodedQuery = parts.percentEncodedQuery?.replacingOccurrences(of: "+", with: "%2B")
        var request = URLRequest(url: parts.url!)
        if isFresh { request.cachePolicy = .reloadIgnoringLocalCacheData }
        do {
            return Answer(body: try read(try await send(request)), isStale: false)
        } catch let failed as SinsangError where failed.isPassing && !isFresh {
            request.cachePolicy = .returnCacheDataDontLoad
            guard let kept = try? await attempt(request, token(nil)) else { throw failed }
            return Answer(body: try read(kept), isStale: true)
        }
    }

    func send(_ events: [Event]) async throws -> Accepted {
        var request = URLRequest(url: base.appendingPathComponent("v1/events"))
        request.httpMethod = "POST"
        request.setValue("application/json", forHTTPHeaderField: "Content-Type")
        request.httpBody = try JSONEncoder().encode(EventBatch(events: events))
        return try read(try await send(request))
    }

    private func read<Body: Decodable>(_ data: Data) throws -> Body {
        do { return try JSONDecoder().decode(Body.self, from: data) } catch { throw SinsangError(status: 200) }
    }

    /// The answer's bytes, after as many attempts as the limits allow.
    private func send(_ request: URLRequest) async throws -> Data {
        let until = Date().addingTimeInterval(Sinsang.totalLimit)
        var (own, isRenewed, count) = (await token(nil), false, 0)
        saved = min(Sinsang.mostSaved, saved + 0.1)
        while true {
            do {
                return try await attempt(request, own)
            } catch let failed as SinsangError {
                if failed.status == 401, let refused = own, !isRenewed {
                    isRenewed = true
                    own = await token(refused)
                    if own == nil || own == refused { throw failed }
                    continue
                }
                let wait = (failed.retryAfter ?? 0) + Double.random(in: 0..<0.5) * Double(1 << count)
                count += 1
                let isLate = Date().addingTimeInterval(wait) >= until
                if !failed.isPassing || count == Sinsang.attempts || isLate || saved < 1 { throw failed }
                saved -= 1
                try await Task.sleep(nanoseconds: UInt64(wait * 1_000_000_000))
            }
        }
    }

    private func attempt(_ request: URLRequest, _ token: String?) async throws -> Data {
        var signed = request
        signed.setValue(device, forHTTPHeaderField: "Sinsang-Device")
        signed.setValue("phone", forHTTPHeaderField: "Sinsang-Device-Class")
        if let token { signed.setValue("Bearer \(token)", forHTTPHeaderField: "Authorization") }
        let data: Data, response: URLResponse
        do {
            (data, response) = try await session.data(for: signed)
        } catch {
            try Task.checkCancellation()
            throw SinsangError()
        }
        guard let http = response as? HTTPURLResponse else { throw SinsangError() }
        if (200..<300).contains(http.statusCode) { return data }
        let problem = try? JSONDecoder().decode(Problem.self, from: data)
        let wait = http.value(forHTTPHeaderField: "Retry-After").flatMap(seconds)
        throw SinsangError(status: http.statusCode, problem: problem, retryAfter: wait)
    }

    /// `Retry-After`, in seconds or as a date.
    private func seconds(_ text: String) -> TimeInterval? {
        if let seconds = UInt32(text) { return TimeInterval(seconds) }
        let format = DateFormatter()
        format.locale = Locale(identifier: "en_US_POSIX")
        format.dateFormat = "EEE, dd MMM yyyy HH:mm:ss zzz"
        return format.date(from: text).map { max(0, $0.timeIntervalSinceNow) }
    }

    private func deviceId() -> String {
        let file = folder.appendingPathComponent("sinsang-device")
        if let kept = try? String(contentsOf: file, encoding: .utf8),
           kept.range(of: "^[A-Za-z0-9_-]{16,64}$", options: .regularExpression) != nil { return kept }
        let made = UUID().uuidString
        try? made.write(to: file, atomically: true, encoding: .utf8)
        return made
    }
}

/// A list: `for try await item in sinsang.new()`. Where the server has lost it (410) or can't go on
/// in it, it is begun again, three times at most, and what was given is passed over.
public struct ItemList<Item: Codable & Sendable>: AsyncSequence, AsyncIteratorProtocol {
    public typealias Element = Item
    let sinsang: Sinsang
    let path: String
    let query: [String: String]
    let key: @Sendable (Item) -> String
    private var waiting: [Item] = []
    private var given: Set<String> = [], passed: Set<String> = []
    private var cursor: String?
    private var restarts = 0
    private var isOver = false

    init(sinsang: Sinsang, path: String, query: [String: String], key: @escaping @Sendable (Item) -> String) {
        (self.sinsang, self.path, self.query, self.key) = (sinsang, path, query, key)
    }

    public func makeAsyncIterator() -> ItemList { self }

    public mutating func next() async throws -> Item? {
        while waiting.isEmpty && !isOver { try await more() }
        return waiting.isEmpty ? nil : waiting.removeFirst()
    }

    private mutating func more() async throws {
        var lost = SinsangError(status: 410)
        do {
            let asked = query.merging(cursor.map { ["cursor": $0] } ?? [:]) { $1 }
            let page: Page<Item> = try await sinsang.get(path, asked, isFresh: restarts > 0).body
            if page.interrupted != true {
                waiting = page.items.filter { !passed.contains(key($0)) }
                given.formUnion(waiting.map(key))
                cursor = page.nextCursor
                isOver = cursor == nil
                return
            }
        } catch let failed as SinsangError where cursor != nil && failed.isLost {
            lost = failed
        }
        if restarts == 3 { throw lost }
        restarts += 1
        passed = given
        cursor = nil
    }
}

/// Events in batches, in a file until the server has taken them. Call `flush` when the scene enters
/// the background (within `beginBackgroundTask`), and before another account signs in.
public actor EventQueue {
    static let capacity = 1_000, mostEvents = 100, mostBytes = 65_536 - 200

    /// Events that gave way to later ones, since the queue was full.
    public private(set) var dropped = 0
    private let sinsang: Sinsang
    private let file: URL
    private let onRefused: @Sendable (Event, Refused) -> Void
    private var queue: [Event]
    private var failures = 0
    private var timer: Task<Void, Never>?
    private var sending: Task<Void, Never>?

    public init(sinsang: Sinsang, folder: URL, onRefused: @escaping @Sendable (Event, Refused) -> Void = { _, _ in }) {
        (self.sinsang, self.onRefused) = (sinsang, onRefused)
        let file = folder.appendingPathComponent("sinsang-events.json")
        self.file = file
        queue = (try? JSONDecoder().decode([Event].self, from: Data(contentsOf: file))) ?? []
    }

    /// Takes an event, which is sent with others within five seconds.
    public func track(_ event: Event) {
        queue.append(event)
        let over = max(0, queue.count - EventQueue.capacity)
        queue.removeFirst(over)
        dropped += over
        keep()
        if failures == 0 { arm(5) }
    }

    /// Sends what waits, and returns how many events still wait. Never fails.
    @discardableResult
    public func flush() async -> Int {
        if sending == nil { sending = Task { await drain() } }
        await sending?.value
        return queue.count
    }

    private func drain() async {
        defer { sending = nil }
        var most = EventQueue.mostEvents
        while true {
            let batch = firstBatch(most)
            if batch.isEmpty { return }
            do {
                settle(batch, try await sinsang.send(batch).refused)
                most = min(most * 2, EventQueue.mostEvents)
            } catch {
                let failed = error as? SinsangError
                let isSpoilt = failed?.status == 413 || ["body", "events"].contains(failed?.problem?.parameter)
                if isSpoilt {
                    // By one of the events: halves tell which.
                    if batch.count > 1 { most = (batch.count + 1) / 2 }
                    else { settle(batch, [Refused(index: 0, reason: failed?.problem?.detail ?? "too large")]) }
                    continue
                }
                failures = min(failures + 1, 8)
                // In place of a shorter rest that an event has begun meanwhile.
                timer?.cancel()
                timer = nil
                arm(max(failed?.retryAfter ?? 0, Double.random(in: 0.5..<1) * Double(1 << failures)))
                return
            }
        }
    }

    private func settle(_ batch: [Event], _ refused: [Refused]) {
        failures = 0
        let ids = Set(batch.map(\.eventId))
        queue.removeAll { ids.contains($0.eventId) }
        keep()
        for one in refused where batch.indices.contains(one.index) { onRefused(batch[one.index], one) }
    }

    private func firstBatch(_ most: Int) -> [Event] {
        var bytes = 0
        return Array(queue.prefix(most).prefix { event in
            let isFirst = bytes == 0
            bytes += ((try? JSONEncoder().encode(event))?.count ?? 0) + 1
            return isFirst || bytes <= EventQueue.mostBytes
        })
    }

    /// A crash amid the write leaves the old file.
    private func keep() {
        try? JSONEncoder().encode(queue).write(to: file, options: .atomic)
    }

    private func arm(_ seconds: TimeInterval) {
        if timer != nil { return }
        timer = Task {
            try? await Task.sleep(nanoseconds: UInt64(seconds * 1_000_000_000))
            if Task.isCancelled { return }
            // The next timer may be set by what this one does.
            timer = nil
            await flush()
        }
    }
}
