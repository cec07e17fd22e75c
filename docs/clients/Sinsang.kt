// Sinsang for Android and the JVM: copy this file into an app and change what does not suit it.
//
// It stands on OkHttp 4, kotlinx.coroutines and kotlinx.serialization. OkHttp's own cache remembers
// answers and asks for them with If-None-Match. tests/client/native.test.mjs holds the fields to
// the contract, www/openapi.json.

package shop.sinsang

import java.io.File
import java.io.IOException
import java.time.Instant
import java.util.UUID
import java.util.concurrent.TimeUnit
import kotlin.coroutines.resume
import kotlin.coroutines.resumeWithException
import kotlin.math.min
import kotlin.random.Random
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Job
import kotlinx.coroutines.TimeoutCancellationException
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.launch
import kotlinx.coroutines.suspendCancellableCoroutine
import kotlinx.coroutines.sync.Mutex
import kotlinx.coroutines.sync.withLock
import kotlinx.coroutines.withContext
import kotlinx.coroutines.withTimeout
import kotlinx.serialization.KSerializer
import kotlinx.serialization.SerialName
import kotlinx.serialization.Serializable
import kotlinx.serialization.builtins.ListSerializer
import kotlinx.serialization.json.Json
import okhttp3.Cache
import okhttp3.CacheControl
import okhttp3.Call
import okhttp3.Callback
import okhttp3.HttpUrl
import okhttp3.MediaType.Companion.toMediaType
import okhttp3.OkHttpClient
import okhttp3.Request
import okhttp3.RequestBody.Companion.toRequestBody
import okhttp3.Response

// What answers hold. Fields that only previews get are left out; cards (`view=card`) lack some.

@Serializable
data class Snapshot(
    val id: String,
    @SerialName("built_at") val builtAt: String,
    @SerialName("age_s") val ageS: Long,
    /** Where the answer stands: `isolate`, `kv`, `stale`, `cache` or `bundle`. */
    val rung: String,
)

@Serializable
data class Listing(val shop: String, @SerialName("listing_id") val listingId: String)

@Serializable
data class Channel(val id: String, val name: String)

@Serializable
data class Earlier(
    val shop: String, @SerialName("listing_id") val listingId: String, val channel: String,
    @SerialName("starts_at") val startsAt: String, val title: String,
)

@Serializable
data class NearestOther(
    val shop: String, @SerialName("listing_id") val listingId: String, val title: String, val why: String,
)

@Serializable
data class Evidence(
    val reason: String, /** The reason for people, in Korean. */ val text: String,
    @SerialName("history_days") val historyDays: Int, @SerialName("shop_history_days") val shopHistoryDays: Int,
    @SerialName("review_count") val reviewCount: Int?,
    @SerialName("aired_probability") val airedProbability: Double? = null,
    val earlier: Earlier?, val nearest: NearestOther? = null,
)

@Serializable
data class Verdict(val kind: String, val evidence: Evidence? = null)

@Serializable
data class Broadcast(
    val shop: String? = null, @SerialName("listing_id") val listingId: String? = null, val channel: Channel,
    @SerialName("starts_at") val startsAt: String, @SerialName("ends_at") val endsAt: String, val price: Int?,
    @SerialName("sold_out") val soldOut: Boolean = false, @SerialName("on_air") val onAir: Boolean,
)

/** A product that was never broadcast before. */
@Serializable
data class NewItem(
    @SerialName("product_id") val productId: String, val title: String, val brand: String? = null,
    val category: String? = null,
    val price: Int?, @SerialName("list_price") val listPrice: Int?, val image: String?, val url: String? = null,
    val listings: List<Listing> = emptyList(), @SerialName("sold_out") val soldOut: Boolean = false,
    val note: String? = null,
    val verdict: Verdict, @SerialName("on_air") val onAir: Boolean, val broadcasts: List<Broadcast>,
)

/** A broadcast with its product, on air or of the schedule. */
@Serializable
data class LiveItem(
    @SerialName("product_id") val productId: String, val title: String, val brand: String? = null,
    val category: String? = null,
    val price: Int?, @SerialName("list_price") val listPrice: Int?, val image: String?, val url: String? = null,
    val listings: List<Listing> = emptyList(), @SerialName("sold_out") val soldOut: Boolean = false,
    val note: String? = null,
    val verdict: Verdict, @SerialName("on_air") val onAir: Boolean, val broadcast: Broadcast,
)

@Serializable
data class Tab(
    @SerialName("tab_id") val tabId: String, val label: String, val pinned: Boolean, val target: String? = null,
    val position: Int,
)

/** What is on air, or the top tabs. */
@Serializable
data class Surface<Item>(
    val personalized: Boolean, val snapshot: Snapshot, val experiments: Map<String, String> = emptyMap(),
    val items: List<Item>,
)

/** A page of a list. */
@Serializable
data class Page<Item>(
    val personalized: Boolean, val snapshot: Snapshot, val experiments: Map<String, String> = emptyMap(),
    val total: Int, val items: List<Item>, @SerialName("next_cursor") val nextCursor: String?,
    val interrupted: Boolean = false,
)

@Serializable
data class HomePart<Item>(val items: List<Item>)

@Serializable
data class HomeNew(val total: Int, val items: List<NewItem>, @SerialName("next_cursor") val nextCursor: String?)

@Serializable
data class Home(
    val personalized: Boolean, val snapshot: Snapshot, val experiments: Map<String, String> = emptyMap(),
    val tabs: HomePart<Tab>, val live: HomePart<LiveItem>, val new: HomeNew,
)

/** A problem document; `/problems/invalid-parameter` for example names the parameter. */
@Serializable
data class Problem(
    val type: String, val title: String, val status: Int, val detail: String? = null, val parameter: String? = null,
)

/** What a viewer did; the queue adds id and time. */
@Serializable
data class Event(
    @SerialName("event_id") val eventId: String = UUID.randomUUID().toString(), val kind: String,
    val at: String = Instant.ofEpochMilli(System.currentTimeMillis()).toString(), val surface: String? = null,
    val position: Long? = null, val amount: Long? = null, @SerialName("product_id") val productId: String? = null,
    @SerialName("listing_id") val listingId: String? = null, val shop: String? = null,
    @SerialName("tab_id") val tabId: String? = null, val channel: String? = null,
    val experiments: Map<String, String>? = null, val experiment: String? = null, val variant: String? = null,
    val snapshot: String? = null,
)

@Serializable
data class EventBatch(val events: List<Event>, val device: String? = null, val token: String? = null)

@Serializable
data class Refused(val index: Int, val field: String?, val reason: String)

@Serializable
data class Accepted(val accepted: Int, val refused: List<Refused>)

/** An answer; `isStale` where there is none at present and it is an earlier one. */
data class Answer<Data>(val data: Data, val isStale: Boolean)

/** Why there is no answer; `status` is 0 where nobody answered, 200 where that was unreadable. */
class SinsangException(
    val status: Int,
    val problem: Problem? = null,
    val retryAfterMs: Long? = null,
    cause: Throwable? = null,
) : IOException(problem?.run { "$title: $detail" } ?: "HTTP $status", cause) {
    /** Whether the same request may succeed later. */
    val isPassing get() = status == 0 || status == 429 || status in 502..504
}

private val JSON = Json { ignoreUnknownKeys = true; explicitNulls = false; encodeDefaults = true }
private val JSON_TYPE = "application/json".toMediaType()

/**
 * Asks Sinsang's surfaces. `folder` is the app's own: the cache, the device's id and events that
 * wait lie there. `token` gives the viewer's token or null, and is asked again with a refused one.
 */
class Sinsang(
    private val base: HttpUrl,
    private val folder: File,
    private val token: suspend (refused: String?) -> String? = { null },
    private val deviceClass: String = "phone",
    http: OkHttpClient = OkHttpClient(),
) {
    private val cache = Cache(File(folder, "sinsang-answers"), 10_000_000)
    private val http = http.newBuilder().cache(cache).callTimeout(ATTEMPT_MS, TimeUnit.MILLISECONDS).build()
    private val device: String by lazy(::deviceId)
    /** Retries saved up: each request earns a tenth, so that an outage is not amplified. */
    private var saved = MOST_SAVED

    suspend fun home(limit: Int = 20): Answer<Home> = get("home", mapOf("limit" to "$limit"), Home.serializer())

    suspend fun live(): Answer<Surface<LiveItem>> = get("live", emptyMap(), Surface.serializer(LiveItem.serializer()))

    suspend fun tabs(): Answer<Surface<Tab>> = get("tabs", emptyMap(), Surface.serializer(Tab.serializer()))

    /** The new products, page by page as they are collected. */
    fun new(query: Map<String, String> = emptyMap()): Flow<NewItem> =
        list("new", query, NewItem.serializer()) { it.productId }

    /** The broadcasts of a Korean day, `2026-11-22`. */
    fun schedule(date: String, query: Map<String, String> = emptyMap()): Flow<LiveItem> =
        list("schedule", query + ("date" to date), LiveItem.serializer()) {
            with(it.broadcast) { "${it.productId} $startsAt ${channel.id} $listingId" }
        }

    /** Forgets all answers: call it when the viewer signs in or out. */
    suspend fun forget() = withContext(Dispatchers.IO) { cache.evictAll() }

    /**
     * Every item of a list once. Where the server has lost the list (410) or can't go on in it, the
     * list is begun again, and what was given is passed over.
     */
    private fun <Item> list(
        path: String,
        query: Map<String, String>,
        item: KSerializer<Item>,
        key: (Item) -> String,
    ): Flow<Item> = flow {
        val given = HashSet<String>()
        var passed: Set<String> = emptySet()
        var cursor: String? = null
        var restarts = 0
        do {
            val page = try {
                val asked = cursor?.let { query + ("cursor" to it) } ?: query
                get(path, asked, Page.serializer(item), isFresh = restarts > 0).data
            } catch (failed: SinsangException) {
                val isLost = failed.status == 410 || (failed.status == 400 && failed.problem?.parameter == "cursor")
                if (cursor == null || !isLost || restarts == MOST_RESTARTS) throw failed
                null
            }
            if (page == null || page.interrupted) {
                if (restarts == MOST_RESTARTS) throw SinsangException(410)
                restarts += 1
                passed = given.toSet()
                cursor = null
                continue
            }
            for (one in page.items) if (key(one) !in passed) {
                given += key(one)
                emit(one)
            }
            cursor = page.nextCursor ?: break
        } while (true)
    }

    private suspend fun <Data> get(
        path: String,
        query: Map<String, String>,
        data: KSerializer<Data>,
        isFresh: Boolean = false,
    ): Answer<Data> {
        val url = base.newBuilder().addPathSegments("v1/$path")
        for ((name, value) in query) url.addQueryParameter(name, value)
        val request = Request.Builder().url(url.build())
        if (isFresh) request.cacheControl(CacheControl.FORCE_NETWORK)
        return try {
            Answer(read(data, send(request)), isStale = false)
        } catch (failed: SinsangException) {
            if (!failed.isPassing || isFresh) throw failed
            val kept = CacheControl.Builder().onlyIfCached().maxStale(1, TimeUnit.DAYS).build()
            // Without a kept answer OkHttp says 504.
            val text = runCatching { attempt(signed(request, token(null)).cacheControl(kept).build()) }.getOrNull()
            Answer(read(data, text ?: throw failed), isStale = true)
        }
    }

    /** Sends events. Only the queue calls it. */
    internal suspend fun send(events: List<Event>): Accepted {
        val body = JSON.encodeToString(EventBatch.serializer(), EventBatch(events)).toRequestBody(JSON_TYPE)
        val url = base.newBuilder().addPathSegments("v1/events").build()
        return read(Accepted.serializer(), send(Request.Builder().url(url).post(body)))
    }

    private fun <Data> read(data: KSerializer<Data>, text: String): Data = try {
        JSON.decodeFromString(data, text)
    } catch (unreadable: IllegalArgumentException) {
        throw SinsangException(200, cause = unreadable)
    }

    /** The answer's text, after as many attempts as the limits allow. */
    private suspend fun send(request: Request.Builder): String = try {
        withTimeout(TOTAL_MS) { persist(request, System.currentTimeMillis() + TOTAL_MS) }
    } catch (late: TimeoutCancellationException) {
        throw SinsangException(0, cause = late)
    }

    private suspend fun persist(request: Request.Builder, until: Long): String {
        var own = token(null)
        var isRenewed = false
        var attempt = 0
        synchronized(this) { saved = min(MOST_SAVED, saved + 0.1) }
        while (true) {
            val failed = try {
                return attempt(signed(request, own).build())
            } catch (failed: SinsangException) {
                failed
            }
            if (failed.status == 401 && own != null && !isRenewed) {
                isRenewed = true
                val fresh = token(own)
                if (fresh == null || fresh == own) throw failed
                own = fresh
                continue
            }
            val wait = (failed.retryAfterMs ?: 0) + Random.nextLong(SPREAD_MS shl attempt)
            attempt += 1
            val isLate = System.currentTimeMillis() + wait >= until
            if (!failed.isPassing || attempt == ATTEMPTS || isLate || !spend()) throw failed
            delay(wait)
        }
    }

    private fun spend(): Boolean = synchronized(this) { (saved >= 1).also { if (it) saved -= 1 } }

    private fun signed(request: Request.Builder, token: String?): Request.Builder {
        request.header("Sinsang-Device", device).header("Sinsang-Device-Class", deviceClass)
        return token?.let { request.header("Authorization", "Bearer $it") } ?: request.removeHeader("Authorization")
    }

    private suspend fun attempt(request: Request): String {
        val response = try {
            http.newCall(request).await()
        } catch (lost: IOException) {
            throw SinsangException(0, cause = lost)
        }
        return withContext(Dispatchers.IO) {
            response.use {
                val text = try {
                    it.body?.string().orEmpty()
                } catch (lost: IOException) {
                    throw SinsangException(0, cause = lost)
                }
                if (it.isSuccessful) return@withContext text
                val problem = runCatching { JSON.decodeFromString(Problem.serializer(), text) }.getOrNull()
                throw SinsangException(it.code, problem, retryAfterMs(it))
            }
        }
    }

    /** `Retry-After`, in seconds or as a date. */
    private fun retryAfterMs(response: Response): Long? {
        response.header("Retry-After")?.trim()?.toLongOrNull()?.let { return it * 1000 }
        return response.headers.getDate("Retry-After")?.let { maxOf(0, it.time - System.currentTimeMillis()) }
    }

    private fun deviceId(): String {
        val file = File(folder, "sinsang-device")
        val kept = runCatching { file.readText() }.getOrNull()
        if (kept != null && kept.matches(Regex("[A-Za-z0-9_-]{16,64}"))) return kept
        return UUID.randomUUID().toString().also { made -> runCatching { file.writeText(made) } }
    }

    private companion object {
        const val ATTEMPT_MS = 4_000L
        const val TOTAL_MS = 12_000L
        const val ATTEMPTS = 3
        const val SPREAD_MS = 500L
        const val MOST_SAVED = 10.0
        const val MOST_RESTARTS = 3
    }
}

private suspend fun Call.await(): Response = suspendCancellableCoroutine { waiting ->
    waiting.invokeOnCancellation { cancel() }
    enqueue(object : Callback {
        override fun onResponse(call: Call, response: Response) = waiting.resume(response)
        override fun onFailure(call: Call, e: IOException) = waiting.resumeWithException(e)
    })
}

/**
 * Events in batches, in a file until the server has taken them. Call `flush` when the app goes to
 * the background (`ProcessLifecycleOwner`'s `onStop`), and before another account signs in.
 */
class EventQueue(
    private val sinsang: Sinsang,
    private val scope: CoroutineScope,
    folder: File,
    private val onRefused: (Event, Refused) -> Unit = { _, _ -> },
) {
    /** Events that gave way to later ones, since the queue was full. */
    var dropped = 0
        private set
    private val file = File(folder, "sinsang-events.json")
    private val lock = Mutex()
    private val sending = Mutex()
    private var queue: List<Event>? = null
    private var failures = 0
    private var timer: Job? = null

    /** Takes an event, which is sent with others within five seconds. */
    fun track(event: Event) {
        scope.launch {
            change { it + event }
            if (failures == 0) arm(REST_MS)
        }
    }

    /** Sends what waits, and returns how many events still wait. Never fails. */
    suspend fun flush(): Int = sending.withLock {
        var most = MOST_EVENTS
        while (true) {
            val batch = batch(change { it }, most)
            if (batch.isEmpty()) break
            try {
                settle(batch, sinsang.send(batch).refused)
                most = min(most * 2, MOST_EVENTS)
            } catch (failed: SinsangException) {
                val parameter = failed.problem?.parameter
                if (failed.status == 413 || (failed.status == 400 && (parameter == "body" || parameter == "events"))) {
                    // One of the events spoils the request: halves tell which.
                    if (batch.size > 1) most = (batch.size + 1) / 2
                    else settle(batch, listOf(Refused(0, null, failed.message.orEmpty())))
                    continue
                }
                failures = min(failures + 1, 8)
                // In place of a shorter rest that an event has begun meanwhile.
                timer?.cancel()
                timer = null
                arm(maxOf(failed.retryAfterMs ?: 0, Random.nextLong(1_000L shl failures)))
                break
            }
        }
        change { it }.size
    }

    private suspend fun settle(batch: List<Event>, refused: List<Refused>) {
        failures = 0
        val ids = batch.mapTo(HashSet()) { it.eventId }
        change { all -> all.filter { it.eventId !in ids } }
        for (one in refused) batch.getOrNull(one.index)?.let { onRefused(it, one) }
    }

    private fun batch(all: List<Event>, most: Int): List<Event> {
        var bytes = 0
        return all.take(most).takeWhile { event ->
            val isFirst = bytes == 0
            bytes += JSON.encodeToString(Event.serializer(), event).toByteArray().size + 1
            isFirst || bytes <= MOST_BYTES
        }
    }

    /** Changes the queue, in memory and in its file, and returns it. */
    private suspend fun change(act: (List<Event>) -> List<Event>): List<Event> = lock.withLock {
        withContext(Dispatchers.IO) {
            val events = ListSerializer(Event.serializer())
            val before = queue ?: runCatching { JSON.decodeFromString(events, file.readText()) }.getOrElse { listOf() }
            val after = act(before)
            val kept = after.takeLast(CAPACITY)
            dropped += after.size - kept.size
            queue = kept
            if (kept != before) runCatching {
                // A crash amid the write leaves the old file.
                val next = File(file.path + ".new")
                next.writeText(JSON.encodeToString(events, kept))
                next.renameTo(file)
            }
            kept
        }
    }

    private fun arm(ms: Long) {
        if (timer?.isActive == true) return
        timer = scope.launch {
            delay(ms)
            // The next timer may be set by what this one does.
            timer = null
            flush()
        }
    }

    private companion object {
        const val CAPACITY = 1_000
        const val MOST_EVENTS = 100
        const val MOST_BYTES = 65_536 - 200
        const val REST_MS = 5_000L
    }
}
